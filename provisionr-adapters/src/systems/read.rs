//! A tree read into settings by serde, so that all unknown keys are told at once, with their place, and no value is quoted.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor};

use super::tree::{Node, Place, Value};

/// Why reading stopped, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) at: Option<Place>,
    pub(super) message: String,
}

impl Failure {
    fn new(node: &Node, message: impl Into<String>) -> Self {
        Self { at: Some(node.at), message: message.into() }
    }

    fn inside(self, path: &str, node: &Node) -> Self {
        match self.at {
            Some(_) => self,
            None => Self { at: Some(node.at), message: format!("{path}: {}", self.message) },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Serde's own messages quote what was found; these say what sort of thing it was.
impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { at: None, message: message.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let sort = match found {
            Unexpected::Bool(_) => "a truth value",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Unit | Unexpected::Option => "nothing",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a mapping",
            _ => "a text",
        };
        Self::custom(format!("this is {sort}, and should be {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("this should be {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("this should be {}", list(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("`{field}` is missing; add `{field}:`"))
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

/// "did you mean", or what there is to choose from.
pub(super) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    provisionr_sdk::did_you_mean(word, known).unwrap_or_default()
}

/// The entries of a mapping whose keys are texts that stand there once; about the others it is said what is wrong.
pub(super) fn entries<'n>(entries: &'n [(Node, Node)], path: &str, told: &mut dyn FnMut(Failure)) -> Vec<(&'n str, &'n Node, &'n Node)> {
    let mut seen = BTreeSet::new();
    let mut sound = Vec::new();
    for (key, value) in entries {
        match &key.value {
            Value::Text(name) if !seen.insert(name) => told(Failure::new(key, format!("{path}: `{name}` stands there twice"))),
            Value::Text(name) => sound.push((name.as_str(), key, value)),
            _ => told(Failure::new(key, format!("{path}: a key must be a text, and this is {}; put it in quotes", key.sort()))),
        }
    }
    sound
}

/// One node to be read, the way to it, and where what is wrong is gathered.
pub(super) struct Reader<'n, 'p> {
    pub(super) node: &'n Node,
    pub(super) path: String,
    /// A key that has been read by somebody else.
    pub(super) apart: Option<&'static str>,
    pub(super) told: &'p RefCell<Vec<Failure>>,
}

impl<'n, 'p> Reader<'n, 'p> {
    fn below(&self, node: &'n Node, key: &str) -> Self {
        Self { node, path: format!("{}.{key}", self.path), apart: None, told: self.told }
    }

    /// A mapping as the fields of a struct; unknown ones are told and left out.
    fn fields(&self, map: &'n [(Node, Node)], known: Option<&[&str]>) -> Fields<'n, 'p> {
        let mut told = self.told.borrow_mut();
        let sound = entries(map, &self.path, &mut |failure| told.push(failure));
        let mut fields = Vec::new();
        for (name, key, value) in sound {
            match known {
                _ if self.apart == Some(name) => {}
                Some(known) if !known.contains(&name) => {
                    told.push(Failure::new(key, format!("{} has no key `{name}`; {}", self.path, near(name, known.iter().copied()))));
                }
                _ => fields.push((name, self.below(value, name))),
            }
        }
        Fields { fields: fields.into_iter(), value: None }
    }

    /// What a type makes of the node; what it refuses after it has read it has the node's place too.
    fn read<S: DeserializeSeed<'n>>(self, seed: S) -> Result<S::Value, Failure> {
        let (node, path) = (self.node, self.path.clone());
        Self::placed(node, &path, seed.deserialize(self))
    }

    /// With its place, if it has none.
    fn placed<T>(node: &Node, path: &str, read: Result<T, Failure>) -> Result<T, Failure> {
        read.map_err(|failure| failure.inside(path, node))
    }
}

impl<'de> de::Deserializer<'de> for Reader<'de, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let (node, path) = (self.node, self.path.clone());
        Self::placed(
            node,
            &path,
            match &node.value {
                Value::Null => visitor.visit_unit(),
                Value::Bool(value) => visitor.visit_bool(*value),
                Value::Signed(value) => visitor.visit_i64(*value),
                Value::Unsigned(value) => visitor.visit_u64(*value),
                Value::Float(value) => visitor.visit_f64(*value),
                Value::Text(value) => visitor.visit_str(value),
                Value::List(items) => {
                    let items: Vec<_> = items.iter().zip(1..).map(|(item, number)| self.below(item, &format!("{number}"))).collect();
                    visitor.visit_seq(Items(items.into_iter()))
                }
                Value::Map(map) => visitor.visit_map(self.fields(map, None)),
            },
        )
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, known: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Map(map) => Self::placed(self.node, &self.path, visitor.visit_map(self.fields(map, Some(known)))),
            _ => Err(Failure::new(self.node, format!("{} should be a mapping with {}, and this is {}", self.path, list(known), self.node.sort()))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, variants: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        let (node, path) = (self.node, self.path.clone());
        let choice = match &node.value {
            // What stands there is not quoted, for it may be a secret; a near word is one of ours.
            Value::Text(word) if !variants.contains(&word.as_str()) => {
                return Err(Failure::new(node, format!("{path} should be {}; {}", list(variants), near(word, variants.iter().copied()))));
            }
            Value::Text(word) => Choice { name: word, content: None },
            Value::Map(map) => match map.as_slice() {
                [(key, value)] => match &key.value {
                    Value::Text(name) if variants.contains(&name.as_str()) => Choice { name, content: Some(self.below(value, name)) },
                    Value::Text(name) => return Err(Failure::new(key, format!("{path} has no `{name}`; {}", near(name, variants.iter().copied())))),
                    _ => return Err(Failure::new(key, format!("{path} should be {}", list(variants)))),
                },
                _ => return Err(Failure::new(node, format!("{path} should have one of {}", list(variants)))),
            },
            _ => return Err(Failure::new(node, format!("{path} should be {}, and this is {}", list(variants), node.sort()))),
        };
        Self::placed(node, &path, visitor.visit_enum(choice))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

struct Items<'n, 'p>(std::vec::IntoIter<Reader<'n, 'p>>);

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        self.0.next().map(|item| item.read(seed)).transpose()
    }
}

struct Fields<'n, 'p> {
    fields: std::vec::IntoIter<(&'n str, Reader<'n, 'p>)>,
    value: Option<Reader<'n, 'p>>,
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((name, value)) = self.fields.next() else { return Ok(None) };
        self.value = Some(value);
        let key: StrDeserializer<'_, Failure> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        match self.value.take() {
            Some(value) => value.read(seed),
            None => Err(de::Error::custom("a value is asked for before its key")),
        }
    }
}

/// One of several, by its name.
struct Choice<'n, 'p> {
    name: &'n str,
    content: Option<Reader<'n, 'p>>,
}

impl<'de, 'p> EnumAccess<'de> for Choice<'de, 'p> {
    type Error = Failure;
    type Variant = Content<'de, 'p>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de, 'p>), Failure> {
        let name: StrDeserializer<'_, Failure> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content { name: self.name, content: self.content }))
    }
}

struct Content<'n, 'p> {
    name: &'n str,
    content: Option<Reader<'n, 'p>>,
}

impl<'n, 'p> Content<'n, 'p> {
    fn there(self) -> Result<Reader<'n, 'p>, Failure> {
        self.content.ok_or_else(|| de::Error::custom(format!("`{0}` needs more: write `{{ {0}: … }}`", self.name)))
    }
}

impl<'de> VariantAccess<'de> for Content<'de, '_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.content {
            None => Ok(()),
            Some(content) => Err(Failure::new(content.node, format!("{} takes nothing more", content.path))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        self.there()?.read(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        de::Deserializer::deserialize_any(self.there()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, known: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        de::Deserializer::deserialize_struct(self.there()?, "", known, visitor)
    }
}
