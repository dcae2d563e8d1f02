//! The kernels consist of vector instructions, as far as `objdump` can tell: a function that is no longer inlined into the region with the CPU's features
//! switched on would still be right, and thirty times slower.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a test")]

use std::{
    collections::{BTreeMap, HashMap},
    process::Command,
};

use ndarray_activations::{Family, catalog};

/// What a function is made of.
#[derive(Debug, Default)]
struct Content {
    name: String,
    /// Arithmetic on full AVX2 vectors.
    vectors: usize,
    /// Arithmetic on single numbers.
    scalars: usize,
    /// What it calls.
    calls: Vec<String>,
}

/// All functions of this program by their addresses, and the address of each by name.
fn functions() -> Option<(HashMap<String, Content>, BTreeMap<String, String>)> {
    let output = Command::new("objdump").args(["-d", "-C", "--no-show-raw-insn"]).arg(std::env::current_exe().ok()?).output().ok()?;
    let (mut functions, mut names) = (HashMap::new(), BTreeMap::new());
    let mut address = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some((start, name)) = line.strip_suffix(">:").and_then(|line| line.split_once(" <")) {
            address = start.trim_start_matches('0').to_owned();
            names.insert(name.to_owned(), address.clone());
            functions.insert(address.clone(), Content { name: name.to_owned(), ..Content::default() });
            continue;
        }
        let Some(content) = functions.get_mut(&address) else { continue };
        let Some((_, instruction)) = line.split_once(":\t") else { continue };
        let (operation, operands) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
        let arithmetic = ["vadd", "vsub", "vmul", "vdiv", "vfmadd", "vfnmadd", "vfmsub", "vmax", "vmin", "vcmp", "vblendv", "vand", "vor", "vsqrt"];
        if operation.starts_with("call") {
            content.calls.push(operands.trim().to_owned());
        } else if arithmetic.iter().any(|start| operation.starts_with(start)) {
            if operation.ends_with("ss") || operation.ends_with("sd") {
                content.scalars += 1;
            } else if operands.contains("%ymm") {
                content.vectors += 1;
            }
        }
    }
    Some((functions, names))
}

/// The loops for AVX2 that a function leads to, itself or by way of other functions of the kernels' module.
fn kernels<'a>(functions: &'a HashMap<String, Content>, address: &str, depth: usize) -> Vec<&'a Content> {
    let mut found = Vec::new();
    for call in functions.get(address).iter().flat_map(|content| &content.calls) {
        let callee = call.split_whitespace().next().unwrap_or_default();
        if call.contains("vectorize_avx2") {
            found.extend(functions.get(callee));
        } else if depth > 0 && call.contains("<ndarray_activations::kernel::") {
            found.extend(kernels(functions, callee, depth - 1));
        }
    }
    found
}

#[test]
fn kernels_are_vectors() {
    if !std::is_x86_feature_detected!("avx2") {
        println!("skipped: no AVX2 here");
        return;
    }
    let Some((functions, names)) = functions() else {
        println!("skipped: no objdump here");
        return;
    };
    let mut checked = Vec::new();
    for (name, address) in &names {
        // `<impl ndarray_activations::kernel::Compiled for ndarray_activations::formula::mish::Mish>::run_single`
        let Some((_, formula)) = name.split_once("kernel::Compiled for ndarray_activations::formula::") else { continue };
        let kernels = kernels(&functions, address, 3);
        assert!(!kernels.is_empty(), "{formula} has no kernel for AVX2");
        for kernel in kernels {
            assert!(kernel.vectors >= kernel.scalars, "{formula}: {} vector and {} scalar instructions", kernel.vectors, kernel.scalars);
            // Through a register or a table it is a copy of the tail; a formula that is not inlined has a name. Single instructions of the SIMD library may stay
            // functions of their own in a test's build. New memory is given back where something panics.
            let usual = [
                "*",
                "mem",
                "panic",
                "slice",
                "len_mismatch",
                "__fearless_simd_kernel",
                "__rust_alloc",
                "__rust_dealloc",
                "raw_vec::handle_error",
                "drop_in_place<alloc::vec::Vec<",
                "_Unwind",
            ];
            let strange = kernel.calls.iter().find(|call| !usual.iter().any(|usual| call.contains(usual)));
            assert_eq!(strange, None, "{formula} calls a function");
        }
        checked.push(formula);
    }
    // The layers along rows, PReLU and the random ones: what is handed on by reference is a function of its own.
    for content in functions.values().filter(|content| content.name.contains("vectorize_avx2")) {
        let strange = content.calls.iter().find(|call| call.contains("core::ops::function::"));
        assert_eq!(strange, None, "a loop calls what it was given");
    }
    let pointwise = catalog().filter(|entry| entry.family() == Family::Pointwise).count();
    println!("{} kernels", checked.len());
    assert!(checked.len() > pointwise, "{} kernels of {pointwise} activations in two element types: {checked:?}", checked.len());
}
