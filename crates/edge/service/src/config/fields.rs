//! The names of a type's settings, found by asking it for them: it is deserialized from nothing, and says what it looks for.
//!
//! Knows no section. What a type takes as a map or flattens has no names of its own.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

type Error = serde::de::value::Error;
type Names = &'static [&'static str];

/// The paths of all settings of a type and of the types within it.
pub(super) fn paths<T: DeserializeOwned>() -> Vec<Vec<&'static str>> {
    let mut found: Vec<Vec<&'static str>> = Vec::new();
    let mut next = vec![Vec::new()];
    while let Some(path) = next.pop() {
        let mut names = None;
        // It always fails: it is not given what it looks for.
        T::deserialize(Down { path: &path, names: &mut names }).ok();
        for name in names.unwrap_or_default() {
            let below = [path.as_slice(), &[*name]].concat();
            found.push(below.clone());
            next.push(below);
        }
    }
    found
}

/// Leads down a path, and notes the names that are looked for at its end.
struct Down<'a> {
    path: &'a [&'static str],
    names: &'a mut Option<Names>,
}

impl<'de> Deserializer<'de> for Down<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: Names,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Some((first, path)) = self.path.split_first() else {
            *self.names = Some(names);
            return Err(Error::custom("seen"));
        };
        visitor.visit_map(Only(Some(first), Some(Down { path, names: self.names })))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a value, without settings within"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// A table of one setting.
struct Only<'a>(Option<&'static str>, Option<Down<'a>>);

impl<'de> MapAccess<'de> for Only<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.0.take().map(|name| seed.deserialize(name.into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let down = self.1.take().ok_or_else(|| Error::custom("one setting has one value"))?;
        seed.deserialize(down)
    }
}
