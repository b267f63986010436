//! Stored text as the objects that Python knows it by, made while it is read.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde::Deserialize as _;
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, SeqAccess, Unexpected, Visitor};
use serde_json::value::RawValue;

use crate::convert::mistake;

type Members<K> = HashMap<K, Py<PyAny>>;

/// What is made of a text, or of a value inside of it.
enum Form {
    Plain,
    Truth,
    Word(Members<String>),
    Number(Members<i64>),
    Many(Py<Shape>),
    Record(Py<PyAny>, Vec<Py<Shape>>),
    Later(Py<PyAny>),
}

/// How a column's text is read.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Shape(Form);

#[pymethods]
impl Shape {
    /// A text, a whole number or a truth value.
    #[staticmethod]
    fn plain() -> Self {
        Self(Form::Plain)
    }

    /// A truth value; a database may have it as a number.
    #[staticmethod]
    fn truth() -> Self {
        Self(Form::Truth)
    }

    /// One of these, by its text.
    #[staticmethod]
    fn word(members: Members<String>) -> Self {
        Self(Form::Word(members))
    }

    /// One of these, by its number.
    #[staticmethod]
    fn number(members: Members<i64>) -> Self {
        Self(Form::Number(members))
    }

    /// A tuple of what all have this shape.
    #[staticmethod]
    fn many(each: Py<Shape>) -> Self {
        Self(Form::Many(each))
    }

    /// What `make` makes of a list's values, of which each has its own shape.
    #[staticmethod]
    fn record(make: Py<PyAny>, shapes: Vec<Py<Shape>>) -> Self {
        Self(Form::Record(make, shapes))
    }

    /// What `read` makes of it, once somebody asks.
    #[staticmethod]
    fn later(read: Py<PyAny>) -> Self {
        Self(Form::Later(read))
    }

    /// The object of a text: a word as it stands, all else as JSON.
    pub(crate) fn read<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        match &self.0 {
            Form::Word(members) => return member(py, members, text).map_err(mistake),
            // Not even looked at: of most rows nobody asks what it says.
            Form::Later(read) => return Unread::new(py, text, read).into_bound_py_any(py),
            _ => {}
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let found = Reading { py, form: &self.0 }.deserialize(&mut json).map_err(mistake)?;
        // What stood behind the value would be lost, and nobody would hear of it.
        json.end().map_err(mistake)?;
        Ok(found)
    }
}

impl Shape {
    /// The object of what a database may have a truth value as.
    pub(crate) fn truth_of(&self, number: i64) -> Option<bool> {
        matches!(self.0, Form::Truth).then_some(number != 0)
    }
}

/// A text that is read once somebody asks for what it says.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Unread {
    text: Box<str>,
    read: Py<PyAny>,
}

impl Unread {
    fn new(py: Python<'_>, text: &str, read: &Py<PyAny>) -> Self {
        Self { text: text.into(), read: read.clone_ref(py) }
    }
}

#[pymethods]
impl Unread {
    /// What it says, made anew each time.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // Not kept here: who asks for a field keeps what it found in this text's place.
        self.read.bind(py).call1((&*self.text,))
    }
}

fn member<'py, K, Q>(
    py: Python<'py>,
    members: &Members<K>,
    key: &Q,
) -> Result<Bound<'py, PyAny>, String>
where
    K: Hash + Eq + std::borrow::Borrow<Q>,
    Q: Hash + Eq + fmt::Debug + ?Sized,
{
    let found = members.get(key).map(|each| each.bind(py).clone());
    found.ok_or_else(|| format!("{key:?} is none of its list"))
}

/// One value on its way from JSON to Python.
#[derive(Clone, Copy)]
struct Reading<'a, 'py> {
    py: Python<'py>,
    form: &'a Form,
}

impl<'py> Reading<'_, 'py> {
    fn made<E: de::Error>(self, value: impl IntoPyObject<'py>) -> Result<Bound<'py, PyAny>, E> {
        value.into_bound_py_any(self.py).map_err(E::custom)
    }

    /// The values of a list, the first of the first shape and so on.
    fn each<'de, A: SeqAccess<'de>>(
        self,
        shapes: &[Py<Shape>],
        mut list: A,
    ) -> Result<Bound<'py, PyTuple>, A::Error> {
        let mut found = Vec::with_capacity(shapes.len());
        for shape in shapes {
            match list.next_element_seed(Reading { py: self.py, form: &shape.get().0 })? {
                Some(value) => found.push(value),
                // Written before the last of them were there: `make` knows what those are
                // by default.
                None => break,
            }
        }
        // A list that goes on behind the last shape is the parser's error: the rest would be lost.
        PyTuple::new(self.py, found).map_err(A::Error::custom)
    }

    fn all<'de, A: SeqAccess<'de>>(
        self,
        form: &Form,
        mut list: A,
    ) -> Result<Bound<'py, PyTuple>, A::Error> {
        let mut found = Vec::new();
        while let Some(value) = list.next_element_seed(Reading { py: self.py, form })? {
            found.push(value);
        }
        PyTuple::new(self.py, found).map_err(A::Error::custom)
    }
}

impl<'de, 'py> DeserializeSeed<'de> for Reading<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        let Form::Later(read) = self.form else { return json.deserialize_any(self) };
        // Kept as it stands and not parsed: of a query that nobody follows nobody asks
        // what it says.
        let text = <&RawValue>::deserialize(json)?.get();
        self.made(Unread::new(self.py, text, read))
    }
}

impl<'de, 'py> Visitor<'de> for Reading<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self.form {
            Form::Word(_) => "a word",
            Form::Number(_) => "a number",
            Form::Many(_) | Form::Record(..) => "a list",
            Form::Plain | Form::Truth | Form::Later(_) => "a text, a number or a truth value",
        })
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Self::Value, E> {
        match self.form {
            // JSON has truth values of its own; the shape for them is of columns that hold numbers.
            Form::Plain => self.made(truth),
            _ => Err(E::invalid_type(Unexpected::Bool(truth), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        match self.form {
            Form::Plain => self.made(number),
            Form::Number(members) => member(self.py, members, &number).map_err(E::custom),
            _ => Err(E::invalid_type(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        // The parser gives every number here that is not negative, whichever it would fit.
        let fits = i64::try_from(number);
        self.visit_i64(fits.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))?)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match self.form {
            Form::Plain => self.made(text),
            Form::Word(members) => member(self.py, members, text).map_err(E::custom),
            _ => Err(E::invalid_type(Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        match self.form {
            Form::Many(each) => self.all(&each.get().0, list).map(Bound::into_any),
            Form::Record(make, shapes) => {
                let values = self.each(shapes, list)?;
                make.bind(self.py).call1(values).map_err(A::Error::custom)
            }
            _ => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
        }
    }
}
