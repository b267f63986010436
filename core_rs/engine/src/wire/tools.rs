//! Tool calls, joined from their fragments. Nothing of one is told before all of it is here.

use serde_json::value::RawValue;

use super::{Blame, Event, Fault};

/// The most bytes of one call's arguments.
pub const ARGUMENTS_BYTES_MAX: usize = 256 << 10;
/// The most calls of one answer.
pub const CALLS_MAX: usize = 128;

/// A piece of a call, as one event brings it. Empty strings where it says nothing.
#[derive(Debug, Default)]
pub(super) struct Fragment {
    pub(super) id: String,
    pub(super) index: Option<u64>,
    pub(super) name: String,
    pub(super) arguments: Vec<u8>,
}

#[derive(Debug, Default)]
struct Draft {
    id: String,
    index: Option<u64>,
    name: String,
    arguments: Vec<u8>,
}

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    drafts: Vec<Draft>,
}

impl Drafts {
    pub(super) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Add a fragment to its call: by id, then by index, else to the last one.
    ///
    /// Some providers give every call index 0 (the id tells them apart), some give no index, some
    /// tell the id only with a later fragment.
    pub(super) fn add(&mut self, fragment: Fragment) -> Result<(), Fault> {
        let draft = match self.place_of(&fragment) {
            Some(at) => at,
            None => self.begin(&fragment)?,
        };
        let Some(draft) = self.drafts.get_mut(draft) else { return Ok(()) };
        if draft.id.is_empty() {
            draft.id = fragment.id;
        }
        if draft.name.is_empty() {
            draft.name = fragment.name;
        }
        draft.arguments.extend_from_slice(&fragment.arguments);
        if draft.arguments.len() > ARGUMENTS_BYTES_MAX {
            let most = format!("a tool call has more than {ARGUMENTS_BYTES_MAX} bytes");
            return Err(Fault::malformed(most));
        }
        Ok(())
    }

    fn place_of(&self, fragment: &Fragment) -> Option<usize> {
        let last = |is: &dyn Fn(&Draft) -> bool| self.drafts.iter().rposition(is);
        if !fragment.id.is_empty() {
            if let Some(same) = last(&|draft| draft.id == fragment.id) {
                return Some(same);
            }
            // An id that comes late belongs to a call that has none; otherwise it begins one.
            return fragment.index.and_then(|index| {
                last(&|draft| draft.id.is_empty() && draft.index == Some(index))
            });
        }
        match fragment.index {
            Some(index) => last(&|draft| draft.index == Some(index)),
            None if fragment.name.is_empty() => self.drafts.len().checked_sub(1),
            None => None,
        }
    }

    fn begin(&mut self, fragment: &Fragment) -> Result<usize, Fault> {
        if self.drafts.len() == CALLS_MAX {
            return Err(Fault::malformed(format!("more than {CALLS_MAX} tool calls")));
        }
        self.drafts.push(Draft { index: fragment.index, ..Draft::default() });
        Ok(self.drafts.len() - 1)
    }

    /// Every call, whole and declared; `cut` says that the answer ended before its model did.
    pub(super) fn calls(&self, declared: &[String], cut: bool) -> Result<Vec<Event>, Fault> {
        let named = self.drafts.iter().enumerate();
        named.map(|(at, draft)| draft.call(at, declared, cut)).collect()
    }
}

impl Draft {
    fn call(&self, at: usize, declared: &[String], cut: bool) -> Result<Event, Fault> {
        if !declared.contains(&self.name) {
            return Err(invalid("undeclared", &self.name));
        }
        let arguments = String::from_utf8(self.arguments.clone())
            .map_err(|_| invalid("arguments", &self.name))?;
        // Several providers write nothing where a tool has no parameters.
        let empty = arguments.trim().is_empty();
        let whole = empty && !cut || is_object(&arguments);
        if !whole {
            return Err(invalid(if cut { "cut" } else { "arguments" }, &self.name));
        }
        let id = if self.id.is_empty() { format!("call_{at}") } else { self.id.clone() };
        let arguments = if empty { "{}".to_owned() } else { arguments };
        Ok(Event::Call { id, name: self.name.clone(), arguments })
    }
}

fn is_object(text: &str) -> bool {
    let json: Result<&RawValue, _> = serde_json::from_str(text);
    json.is_ok_and(|raw| raw.get().starts_with('{'))
}

/// The tool's name is the model's word: shown, shortened, to whoever must find out.
fn invalid(problem: &str, name: &str) -> Fault {
    let name: String = name.chars().filter(|each| !each.is_control()).take(64).collect();
    Fault {
        kind: format!("tool_call_{problem}"),
        detail: name,
        blame: Blame::Provider,
        nothing_generated: false,
    }
}
