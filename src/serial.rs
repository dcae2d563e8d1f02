//! Layers to and from files, with the feature `serde`: hyper-parameters and learned slopes, never caches.
//!
//! A layer without arrays is one string, its [`spec`](Layer::spec): `"leaky_relu(0.2)"`. What comes back goes through the same checks as
//! [`by_name`](crate::by_name): another layer's name or numbers that make no sense are an error.

use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    axis::{AllMasked, Along, RowKernel},
    by_name::find,
    catalog::FromArguments,
    element::Element,
    elementwise::Elementwise,
    error::{ActivationError, Result},
    gated::Gated,
    kernel::Kernel,
    layer::Layer,
    prelu::PReLU,
};

/// A layer of a known type from its spec.
fn from_spec<L: FromArguments>(text: &str) -> Result<L> {
    let (entry, arguments) = find(text)?;
    if !L::NAMES.contains(&entry.name()) {
        let reason = format!("expected {}, found {}", L::NAMES.join(" or "), entry.name());
        return Err(ActivationError::InvalidParameter { layer: entry.name().into(), reason });
    }
    entry.check_count(&arguments)?;
    L::from_arguments(entry.name(), &arguments)
}

impl<F: Kernel<A>, A: Element> Serialize for Elementwise<F, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.formula().spec())
    }
}

impl<'de, F, A: Element> Deserialize<'de> for Elementwise<F, A>
where
    Self: FromArguments,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        from_spec(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Writes a layer as its spec and reads it back.
macro_rules! as_spec {
    ($($layer:ident)*) => {$(
        impl<A: Element> Serialize for crate::$layer<A> {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.spec())
            }
        }
        impl<'de, A: Element> Deserialize<'de> for crate::$layer<A> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                from_spec(&String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    )*};
}
as_spec!(RReLU AlphaDropout Maxout);

impl<F: Kernel<A> + Clone + Default, A: Element> Serialize for Gated<F, A>
where
    Self: Layer<A>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.spec())
    }
}

impl<'de, F, A: Element> Deserialize<'de> for Gated<F, A>
where
    Self: FromArguments,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        from_spec(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A layer along axes, with what a spec cannot say.
#[derive(Serialize, Deserialize)]
struct AlongFile {
    spec: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    zeros_where_all_is_masked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<ArrayD<bool>>,
}

impl<F: RowKernel<A> + Clone + Default, A: Element> Serialize for Along<F, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        AlongFile { spec: self.spec(), zeros_where_all_is_masked: self.all_masked == AllMasked::Zeros, mask: self.mask.clone() }.serialize(serializer)
    }
}

impl<'de, F, A: Element> Deserialize<'de> for Along<F, A>
where
    Self: FromArguments,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let file = AlongFile::deserialize(deserializer)?;
        let mut layer: Self = from_spec(&file.spec).map_err(D::Error::custom)?;
        layer.mask = file.mask;
        layer.all_masked = if file.zeros_where_all_is_masked { AllMasked::Zeros } else { AllMasked::Nan };
        Ok(layer)
    }
}

#[derive(Serialize, Deserialize)]
struct PreluFile<A> {
    alpha: ArrayD<A>,
    /// The axis of the channels; none where the slopes broadcast.
    axis: Option<usize>,
}

impl<A: Element + Serialize> Serialize for PReLU<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        PreluFile { alpha: self.alpha().value.clone(), axis: self.channel_axis().map(Axis::index) }.serialize(serializer)
    }
}

impl<'de, A: Element + Deserialize<'de>> Deserialize<'de> for PReLU<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let file = PreluFile::<A>::deserialize(deserializer)?;
        match file.axis {
            None => Ok(Self::with_alpha(file.alpha)),
            Some(axis) if file.alpha.ndim() == 1 => Ok(Self::with_alpha(file.alpha).axis(Axis(axis))),
            Some(_) => Err(D::Error::custom("prelu: slopes along one axis should be an array of one axis")),
        }
    }
}
