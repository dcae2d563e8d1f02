//! Layers from text.

use crate::{
    catalog::{Entry, catalog},
    element::Element,
    error::{ActivationError, Result},
    layer::Layer,
};

/// Longer texts are no activation.
const LONGEST: usize = 256;

/// The layer with this name and these arguments: `"gelu"`, `"leaky_relu(0.2)"`, `"softmax(1)"`.
///
/// Names are those of [`catalog`] and their aliases (`swish`, `hard_silu`, `gelu_pytorch_tanh`, `quick_gelu`, `relu2`, `logistic`, `linear`, `none`, …);
/// capitals, underscores, hyphens and spaces do not count, so PyTorch's and Keras' spellings are read too. Arguments left out have their defaults. What a
/// layer of this crate prints as its [`spec`](Layer::spec) is read back.
///
/// ```
/// use ndarray_activations::{Layer, by_name};
/// assert_eq!(by_name::<f32>("LeakyReLU(0.2)")?.spec(), "leaky_relu(0.2)");
/// let error = by_name::<f32>("leeky_relu").unwrap_err();
/// assert!(error.to_string().contains("did you mean \"leaky_relu\"?"));
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
///
/// # Errors
/// [`UnknownActivation`](ActivationError::UnknownActivation) with the known names, and the nearest one if there is a near one;
/// [`InvalidParameter`](ActivationError::InvalidParameter) for arguments that are no numbers, too many, or make no sense.
pub fn by_name<A: Element>(text: &str) -> Result<Box<dyn Layer<A>>> {
    let (entry, arguments) = find(text)?;
    entry.build(&arguments)
}

/// The entry of the catalogue, and the arguments.
pub(crate) fn find(text: &str) -> Result<(&'static Entry, Vec<f64>)> {
    if text.len() > LONGEST {
        return Err(unknown(&format!("{}…", text.chars().take(40).collect::<String>()), None));
    }
    let text = text.trim();
    let (name, arguments) = match text.split_once('(') {
        None => (text, Vec::new()),
        Some((name, rest)) => {
            let wrong = |reason: String| ActivationError::InvalidParameter { layer: name.trim().into(), reason };
            let inside = rest.strip_suffix(')').ok_or_else(|| wrong("the closing parenthesis is missing".into()))?;
            let parts: Vec<&str> = if inside.trim().is_empty() { Vec::new() } else { inside.split(',').collect() };
            let numbers = parts.iter().map(|part| part.trim().parse::<f64>().map_err(|_| wrong(format!("{:?} is not a number", part.trim()))));
            (name, numbers.collect::<Result<Vec<f64>>>()?)
        }
    };
    let wanted = plain(name);
    match catalog().find(|entry| names(entry).any(|known| plain(known) == wanted)) {
        Some(entry) => Ok((entry, arguments)),
        None => Err(unknown(name.trim(), nearest(&wanted))),
    }
}

fn names(entry: &'static Entry) -> impl Iterator<Item = &'static str> {
    std::iter::once(entry.static_name()).chain(entry.aliases().iter().copied())
}

/// Without what does not count.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

fn unknown(name: &str, suggestion: Option<String>) -> ActivationError {
    let known: Vec<&str> = catalog().map(Entry::static_name).collect();
    ActivationError::UnknownActivation { name: name.into(), suggestion, known: known.join(", ") }
}

/// The known name with the fewest edits, if they are few for its length.
fn nearest(wanted: &str) -> Option<String> {
    catalog()
        .flat_map(names)
        .map(|known| (strsim::damerau_levenshtein(&plain(known), wanted), known))
        .min_by_key(|&(edits, _)| edits)
        .filter(|&(edits, known)| edits <= (known.len() / 3).max(1))
        .map(|(_, known)| known.to_owned())
}
