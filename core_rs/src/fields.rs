//! Structs of the kernel, read from the objects that Python has: a field by the attribute of its
//! name, or from a mapping by its key.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};

use crate::convert::mistake;

/// What an object says, as a struct of the kernel.
pub(crate) fn read<T: DeserializeOwned>(object: &Bound<'_, PyAny>) -> PyResult<T> {
    T::deserialize(Object(object)).map_err(|Unread(error)| error)
}

/// Why an object could not be read.
#[derive(Debug)]
struct Unread(PyErr);

impl fmt::Display for Unread {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

impl std::error::Error for Unread {}

impl de::Error for Unread {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(mistake(message))
    }
}

impl<E: Into<PyErr>> From<E> for Unread {
    fn from(error: E) -> Self {
        // As Python raised it: which attribute is missing tells more than that reading failed.
        Self(error.into())
    }
}

/// An object of Python.
struct Object<'a, 'py>(&'a Bound<'py, PyAny>);

impl<'de> Deserializer<'de> for Object<'_, '_> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        let object = self.0;
        match Kind::of(object) {
            Kind::Text => visitor.visit_str(object.cast::<PyString>()?.to_str()?),
            Kind::Truth => visitor.visit_bool(object.is_truthy()?),
            // Signed for every field: serde refuses what does not fit it, and no column is wider.
            Kind::Whole => visitor.visit_i64(object.extract()?),
            Kind::Bytes => visitor.visit_bytes(object.cast::<PyBytes>()?.as_bytes()),
            Kind::Real => visitor.visit_f64(object.extract()?),
            Kind::Nothing => visitor.visit_unit(),
            Kind::List => self.deserialize_seq(visitor),
            Kind::Fields => self.deserialize_map(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if self.0.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        // Such a type is the kernel's alone: Python has the bare value.
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        // Not whatever can be walked: a text can, and would be read as the list of its letters.
        if let Ok(items) = self.0.cast::<PyTuple>() {
            return visitor.visit_seq(Items(items.iter()));
        }
        if let Ok(items) = self.0.cast::<PyList>() {
            return visitor.visit_seq(Items(items.iter()));
        }
        Err(de::Error::invalid_type(Unexpected::Other(&kind_of(self.0)?), &visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if let Ok(mapping) = self.0.cast::<PyDict>() {
            let pairs = mapping.iter().map(Ok);
            return visitor.visit_map(Entries { pairs, value: None });
        }
        let pairs = slots(self.0)?.into_iter().map(|name| {
            let value = self.0.getattr(name.cast::<PyString>()?)?;
            Ok((name, value))
        });
        visitor.visit_map(Entries { pairs, value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        // A mapping's own attributes are `keys` and the like: what it says stands under its keys.
        if self.0.is_instance_of::<PyDict>() {
            return self.deserialize_map(visitor);
        }
        // By name and not all there are: what no field asks for is neither read nor made.
        visitor.visit_map(Attributes {
            of: self.0,
            fields,
            names: names(self.0.py(), fields),
            at: 0,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        // The members of Python's lists of words are texts as well.
        if let Ok(word) = self.0.cast::<PyString>() {
            return visitor
                .visit_enum(IntoDeserializer::<Unread>::into_deserializer(word.to_str()?));
        }
        // As serde writes a variant with something behind it.
        let only = self.0.cast::<PyDict>().ok().filter(|mapping| mapping.len() == 1);
        match only.and_then(|mapping| mapping.iter().next()) {
            Some((name, value)) => visitor.visit_enum(Variant { name, value }),
            None => Err(de::Error::invalid_type(Unexpected::Other(&kind_of(self.0)?), &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        // Passed by unread: what no field asks for may be of a kind that nothing here reads.
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple_struct identifier
    }
}

/// What an object is to whoever takes anything.
enum Kind {
    Text,
    Truth,
    Whole,
    Bytes,
    Real,
    Nothing,
    List,
    Fields,
}

impl Kind {
    fn of(object: &Bound<'_, PyAny>) -> Self {
        // The first that holds decides: a truth value is a number too, so it is asked for before.
        match () {
            () if object.is_instance_of::<PyString>() => Self::Text,
            () if object.is_instance_of::<PyBool>() => Self::Truth,
            () if object.is_instance_of::<PyInt>() => Self::Whole,
            () if object.is_instance_of::<PyBytes>() => Self::Bytes,
            () if object.is_instance_of::<PyFloat>() => Self::Real,
            () if object.is_none() => Self::Nothing,
            () if is_list(object) => Self::List,
            () => Self::Fields,
        }
    }
}

fn is_list(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyTuple>() || object.is_instance_of::<PyList>()
}

/// A list's or a tuple's.
struct Items<I>(I);

impl<'de, 'py, I: ExactSizeIterator<Item = Bound<'py, PyAny>>> SeqAccess<'de> for Items<I> {
    type Error = Unread;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unread> {
        self.0.next().map(|item| seed.deserialize(Object(&item))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A mapping's, or all attributes of an object.
struct Entries<'py, I> {
    pairs: I,
    value: Option<Bound<'py, PyAny>>,
}

impl<'de, 'py, I> MapAccess<'de> for Entries<'py, I>
where
    I: Iterator<Item = PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)>>,
{
    type Error = Unread;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unread> {
        let Some((name, value)) = self.pairs.next().transpose()? else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(Object(&name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unread> {
        let value = self.value.take().ok_or_else(|| mistake("a value comes behind its key"))?;
        seed.deserialize(Object(&value))
    }
}

/// The attributes that a struct has fields for, in the order of these.
struct Attributes<'a, 'py> {
    of: &'a Bound<'py, PyAny>,
    fields: &'static [&'static str],
    names: Names,
    at: usize,
}

impl<'de> MapAccess<'de> for Attributes<'_, '_> {
    type Error = Unread;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unread> {
        let Some(name) = self.fields.get(self.at) else {
            return Ok(None);
        };
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unread> {
        let name =
            self.names.get(self.at).ok_or_else(|| mistake("a value comes behind its key"))?;
        self.at += 1;
        seed.deserialize(Object(&self.of.getattr(name.bind(self.of.py()))?))
    }
}

/// A word with something behind it: a mapping of one key.
struct Variant<'py> {
    name: Bound<'py, PyAny>,
    value: Bound<'py, PyAny>,
}

impl<'de, 'py> EnumAccess<'de> for Variant<'py> {
    type Error = Unread;
    type Variant = Behind<'py>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Behind<'py>), Unread> {
        Ok((seed.deserialize(Object(&self.name))?, Behind(self.value)))
    }
}

/// What stands behind the word of a variant.
struct Behind<'py>(Bound<'py, PyAny>);

impl<'de> VariantAccess<'de> for Behind<'_> {
    type Error = Unread;

    fn unit_variant(self) -> Result<(), Unread> {
        // A bare word has come as a text: what comes as a mapping has something behind its word.
        Err(Unread(mistake("nothing stands behind this word")))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unread> {
        seed.deserialize(Object(&self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Unread> {
        Object(&self.0).deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        Object(&self.0).deserialize_struct("", fields, visitor)
    }
}

/// The names of all that an object has: which of them are wanted is known only once all have been
/// seen, of a struct whose fields are flattened into another's.
fn slots<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    // Frozen values have slots and no `__dict__`, which could be walked.
    let slots = object.get_type().getattr(intern!(object.py(), "__slots__"))?;
    slots.cast_into().map_err(PyErr::from)
}

fn kind_of(object: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(object.get_type().name()?.to_string())
}

/// Of the fields of one struct, in order.
type Names = Rc<[Py<PyString>]>;

thread_local! {
    /// The names of a struct's fields as Python has them, by where the struct lists them: to make
    /// forty texts for a row anew costs more than to look them up in it.
    static NAMES: RefCell<HashMap<(usize, usize), Names>> = RefCell::default();
}

fn names(py: Python<'_>, fields: &'static [&'static str]) -> Names {
    let intern = || fields.iter().map(|name| PyString::intern(py, name).unbind()).collect();
    // A struct lists its fields in a static, so where that stands names it, and no text is
    // compared.
    let place = (fields.as_ptr().addr(), fields.len());
    NAMES.with_borrow_mut(|known| Rc::clone(known.entry(place).or_insert_with(intern)))
}
