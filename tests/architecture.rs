//! The rules of ARCHITECTURE.md that the compiler does not know, read off the source: who may import whom, and that no formula is left out of the catalogue.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use std::{collections::BTreeSet, fs, path::Path};

/// The rooms at the bottom: the modules of this crate and the dependencies that each may use, beside itself.
const BOTTOM: &[(&str, &[&str])] = &[
    ("math", &["real"]),
    ("real", &["math", "element", "fearless_simd"]),
    ("pointwise", &["real"]),
    ("formula", &["math", "pointwise", "real"]),
    ("kernel", &["element", "pointwise", "real", "threads", "fearless_simd"]),
    ("pages", &["libc"]),
    ("threads", &["pages", "pointwise", "rayon"]),
    ("scratch", &["element"]),
    ("parts", &["element", "real", "scratch", "fearless_simd"]),
    ("traverse", &["element", "kernel", "pages", "parts", "pointwise", "scratch", "threads", "ndarray"]),
];
/// Rooms that could stand in a user's own crate: they use public names only.
const OUTSIDE: &[&str] = &["diagnostics", "gradcheck", "init"];

struct Source {
    path: String,
    /// The module below the crate's root to which the file belongs.
    room: String,
    code: String,
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                let room = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
                found.push(Source { room, code: without_comments(&fs::read_to_string(&path).unwrap()), path: name });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found
}

/// Line comments end a line here, and nothing else does: the source has no block comments, and no `//` in a string of a `use`.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The source of one room.
fn room<'a>(sources: &'a [Source], room: &str) -> Vec<&'a Source> {
    let found: Vec<_> = sources.iter().filter(|source| source.room == room).collect();
    assert!(!found.is_empty(), "no module {room}: has it another name now?");
    found
}

/// The modules of the crate's root, and whether they are public.
fn modules(sources: &[Source]) -> Vec<(&str, bool)> {
    let lines = room(sources, "lib")[0].code.lines().filter_map(|line| line.strip_suffix(';'));
    lines.filter_map(|line| line.strip_prefix("mod ").map(|name| (name, false)).or(line.strip_prefix("pub mod ").map(|name| (name, true)))).collect()
}

/// The crates that this one depends on.
fn dependencies() -> Vec<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let table = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    table.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.replace('-', "_")).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths that go on from `start::`, as far as they are names: `{a, b::{c, d}}` gives `a`, `b::c` and `b::d`.
fn expand(rest: &str) -> Vec<String> {
    let Some(list) = rest.strip_prefix('{') else {
        let name: String = rest.chars().take_while(|&c| is_name(c)).collect();
        return match rest[name.len()..].strip_prefix("::") {
            Some(more) => expand(more).into_iter().map(|path| format!("{name}::{path}")).collect(),
            None => vec![name],
        };
    };
    let mut paths = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (i, c) in list.char_indices() {
        if depth == 0 && (c == ',' || c == '}') {
            paths.extend(expand(list[start..i].trim()));
            start = i + 1;
        }
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    paths.into_iter().filter(|path| !path.is_empty()).collect()
}

/// The paths in this code that begin with `start::`.
fn paths(code: &str, start: &str) -> Vec<String> {
    let pattern = format!("{start}::");
    let whole = |&(at, _): &(usize, &str)| !code[..at].ends_with(|c| is_name(c) || c == ':');
    code.match_indices(&pattern).filter(whole).flat_map(|(at, _)| expand(&code[at + pattern.len()..])).collect()
}

/// The modules of this crate, and the dependencies, that a file uses: by `crate::`, or by `super::` where that leads to the root.
fn uses(source: &Source, sources: &[Source]) -> BTreeSet<String> {
    let modules: Vec<&str> = modules(sources).iter().map(|&(name, _)| name).collect();
    let first = |path: String| path.split("::").next().unwrap_or_default().to_owned();
    let mut used: BTreeSet<String> = paths(&source.code, "crate").into_iter().map(first).collect();
    let sibling = |name: &str| sources.iter().any(|other| other.path == format!("{}/{name}.rs", source.room));
    used.extend(paths(&source.code, "super").into_iter().map(|path| path.replace("super::", "")).map(first).filter(|name| !sibling(name)));
    used.retain(|name| modules.contains(&name.as_str()) && *name != source.room);
    used.extend(dependencies().into_iter().filter(|name| !paths(&source.code, name).is_empty() || source.code.contains(&format!("use {name};"))));
    used
}

#[test]
fn the_reader_reads() {
    assert_eq!(expand("a::{b, c::{d, self}, E}, f"), ["a::b", "a::c::d", "a::c::self", "a::E"]);
    assert_eq!(paths("use crate::{\n    a::B,\n    c,\n};\nlet x = crate::d::E(1); mycrate::f", "crate"), ["a::B", "c", "d::E"]);
    assert!(dependencies().iter().any(|name| name == "fearless_simd"));
    let sources = sources();
    assert!(modules(&sources).contains(&("kernel", false)) && modules(&sources).contains(&("math", true)));
    assert!(uses(room(&sources, "elementwise")[0], &sources).is_superset(&["kernel", "ndarray", "traverse"].map(str::to_owned).into()));
}

#[test]
fn the_bottom_rooms_import_one_way() {
    let sources = sources();
    for (name, allowed) in BOTTOM {
        for source in room(&sources, name) {
            for used in uses(source, &sources) {
                assert!(allowed.contains(&used.as_str()), "src/{} uses {used}; {name} may use {allowed:?}", source.path);
            }
        }
    }
}

#[test]
fn one_room_knows_of_threads() {
    let sources = sources();
    for source in sources.iter().filter(|source| source.room != "threads") {
        assert!(!uses(source, &sources).contains("rayon") && !source.code.contains("std::thread"), "src/{} uses threads", source.path);
    }
}

#[test]
fn nothing_under_the_catalogue_uses_it() {
    let sources = sources();
    for name in uses(room(&sources, "catalog")[0], &sources).iter().filter(|name| !dependencies().contains(name)) {
        for source in room(&sources, name) {
            assert!(!uses(source, &sources).contains("catalog"), "src/{} uses the catalogue, which uses {name}", source.path);
        }
    }
}

#[test]
fn the_outer_rooms_use_public_names() {
    let sources = sources();
    let exported = paths(&room(&sources, "lib")[0].code.replace("pub use ", "pub use crate::"), "crate");
    let modules = modules(&sources);
    for source in OUTSIDE.iter().flat_map(|name| room(&sources, name)) {
        for path in paths(&source.code, "crate").into_iter().chain(paths(&source.code, "super::super")) {
            let (first, inside) = (path.split("::").next().unwrap(), path.contains("::"));
            let private = modules.contains(&(first, false)) && (inside || !exported.iter().any(|name| name.ends_with(&format!("::{first}"))));
            assert!(!private, "src/{} uses crate::{path}, which is not public", source.path);
        }
    }
}

#[test]
fn one_unsafe_call() {
    let sources = sources();
    assert!(room(&sources, "lib")[0].code.contains("#![deny(unsafe_code)]"));
    let calls: Vec<_> = sources.iter().flat_map(|source| source.code.matches("unsafe {").map(|_| &*source.path)).collect();
    assert_eq!(calls, ["pages.rs"]);
}

/// Tests, benches, plots, `by_name` and the functional forms loop over the catalogue: a formula without a row would go untested.
#[test]
fn every_formula_has_its_row() {
    let sources = sources();
    let catalog = &room(&sources, "catalog")[0].code;
    let table = catalog.split("macro_rules! pointwise_table").nth(1).unwrap().split("pub(crate) use pointwise_table").next().unwrap();
    let rows: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let files = room(&sources, "formula");
    let list = &files.iter().find(|source| source.path == "formula.rs").unwrap().code;
    for source in files.iter().filter(|source| source.path != "formula.rs") {
        let module = source.path.trim_start_matches("formula/").trim_end_matches(".rs");
        assert!(list.lines().any(|line| line == format!("mod {module};")), "src/{} is not in src/formula.rs", source.path);
        let types = source.code.lines().filter_map(|line| line.strip_prefix("pub struct "));
        let types: Vec<&str> = types.filter_map(|rest| rest.split(|c| !is_name(c)).next()).collect();
        assert!(!types.is_empty(), "src/{} has no formula", source.path);
        for name in types {
            assert!(rows.contains(&name), "{name} of src/{} has no row in the table of src/catalog.rs", source.path);
        }
    }
}
