//! The two shapes of class that cross to Python: arguments and results.

/// A frozen class that Python makes, by keywords only: an engine value with a constructor.
///
/// `field: Kind = value` turns what Python passed into what the engine's field holds.
macro_rules! argument_class {
    (
        $(#[$meta:meta])*
        $name:ident($($engine:ident)::+) { $($field:ident: $kind:ty $(= $value:expr)?),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[pyo3::pyclass(frozen, module = "chenu_server._core")]
        pub(crate) struct $name(pub(crate) $($engine)::+);

        #[pyo3::pymethods]
        impl $name {
            #[new]
            #[pyo3(signature = (*, $($field),+))]
            #[expect(clippy::too_many_arguments, reason = "they are keyword-only in Python")]
            fn new($($field: $kind),+) -> pyo3::PyResult<Self> {
                $($(let $field = $value;)?)+
                Ok(Self($($engine)::+ { $($field),+ }))
            }
        }
    };
}

/// A frozen class that the engine returns: its fields, readable.
///
/// `field: Kind = value` says how a field is made; `value` may use the name given after `from`.
macro_rules! result_class {
    (
        $(#[$meta:meta])*
        $name:ident from $source:ident: $engine:ty {
            $($field:ident: $kind:ty = $value:expr),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[pyo3::pyclass(frozen, get_all, eq, hash, module = "chenu_server._core")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub(crate) struct $name { $($field: $kind),+ }

        impl From<$engine> for $name {
            fn from($source: $engine) -> Self {
                Self { $($field: $value),+ }
            }
        }
    };
}

pub(crate) use {argument_class, result_class};
