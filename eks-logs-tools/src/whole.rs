//! Whole numbers as callers give them: as numbers, or as text, such as a token that is given back.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads an optional number.
pub(crate) fn optional<'de, D: Deserializer<'de>, N: TryFrom<i128>>(deserializer: D) -> Result<Option<N>, D::Error> {
    deserializer.deserialize_any(Whole(PhantomData))
}

struct Whole<N>(PhantomData<N>);

impl<N: TryFrom<i128>> Whole<N> {
    fn fits<E: Error>(number: i128) -> Result<Option<N>, E> {
        N::try_from(number).map(Some).map_err(|_| E::custom(format!("{number} is out of range")))
    }
}

impl<'de, N: TryFrom<i128>> Visitor<'de> for Whole<N> {
    type Value = Option<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Self::fits(number.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Self::fits(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        if number.fract() == 0.0 && number.abs() < 9e15 {
            Self::fits(number as i128)
        } else {
            Err(E::custom(format!("{number} is not a whole number")))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.trim().parse::<i64>() {
            Ok(number) => Self::fits(number.into()),
            Err(_) => Err(E::custom(format!("{text:?} is not a whole number"))),
        }
    }
}
