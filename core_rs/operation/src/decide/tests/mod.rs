//! What single decisions come to, on the rows that they name.

mod budgets;
mod slots;
mod tool_calls;
