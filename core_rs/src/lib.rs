//! The engine, as Python sees it. Converts and forwards; decides nothing.

use pyo3::prelude::*;

mod intent;
mod policy;

#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::intent::{Analysis, analyze};
    #[pymodule_export]
    use super::policy::{PolicyQuery, PolicySet, PolicyVerdict};
}
