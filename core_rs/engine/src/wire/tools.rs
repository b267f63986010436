//! Tool calls, joined from their fragments. Nothing of one is told before all of it is here.

use std::collections::{HashMap, HashSet};

use super::Fault;
use super::exact::inexact;
use super::schema::Schema;
use super::text::joined;

/// The most bytes of one call's arguments.
pub const ARGUMENTS_BYTES_MAX: usize = 256 << 10;
/// The most calls of one answer.
pub const CALLS_MAX: usize = 16;

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// How the model calls it.
    pub name: String,
    /// The JSON schema that its arguments satisfy; empty where any object will do.
    pub parameters: String,
}

/// A whole call.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// A piece of a call, as one event brings it. Empty strings where it says nothing.
#[derive(Debug, Default)]
pub(super) struct Fragment {
    pub(super) id: String,
    pub(super) index: Option<u64>,
    pub(super) name: String,
    pub(super) arguments: Vec<u8>,
    /// Whether it is no call of a function of the caller's, but one that others carry out.
    pub(super) is_foreign: bool,
}

#[derive(Debug, Default)]
struct Draft {
    id: String,
    index: Option<u64>,
    name: String,
    arguments: Vec<u8>,
    is_foreign: bool,
    is_duplicate: bool,
}

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    drafts: Vec<Draft>,
    /// The tool of the first call beyond those that may be.
    beyond: Option<String>,
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
            None if self.drafts.len() == CALLS_MAX => {
                // Refused once the answer has ended: until then nobody knows what it costs.
                self.beyond.get_or_insert(fragment.name);
                return Ok(());
            }
            None => self.begin(&fragment),
        };
        let Some(draft) = self.drafts.get_mut(draft) else { return Ok(()) };
        draft.is_foreign |= fragment.is_foreign;
        // A call is named once at each index; named at another one, its id stands for two.
        let elsewhere =
            fragment.index.is_some() && draft.index.is_some_and(|at| Some(at) != fragment.index);
        draft.is_duplicate |= elsewhere && !fragment.name.is_empty() && !draft.name.is_empty();
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
        // The last one, for providers that give several calls one index write them one after the
        // other.
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
            // With neither id nor place it goes on with the last one, unless a name begins another.
            None if fragment.name.is_empty() => self.drafts.len().checked_sub(1),
            None => None,
        }
    }

    fn begin(&mut self, fragment: &Fragment) -> usize {
        self.drafts.push(Draft { index: fragment.index, ..Draft::default() });
        self.drafts.len() - 1
    }

    /// Every call, whole and declared; `cut` says that the answer ended before its model did.
    pub(super) fn calls(
        &self,
        declared: &[Declared],
        cut: bool,
        steps: &mut u64,
    ) -> Result<Vec<Call>, Fault> {
        if let Some(name) = &self.beyond {
            return Err(invalid("too_many", name));
        }
        let mut calls: Vec<Call> = Vec::with_capacity(self.drafts.len());
        let mut schemas = Schemas::default();
        for draft in &self.drafts {
            draft.check(declared)?;
            let arguments = draft.arguments(cut)?;
            // A tool may stand there twice, with the request's schema and with its operator's.
            let mut named = declared.iter().filter(|tool| tool.name == draft.name);
            if !named.all(|tool| schemas.accept(tool, &arguments, steps)) {
                return Err(invalid("schema", &draft.name));
            }
            calls.push(Call { id: draft.id.clone(), name: draft.name.clone(), arguments });
        }
        name_all(&mut calls);
        Ok(calls)
    }
}

impl Draft {
    fn check(&self, declared: &[Declared]) -> Result<(), Fault> {
        if self.is_foreign {
            return Err(invalid("provider_executed", &self.name));
        }
        if self.is_duplicate {
            return Err(invalid("duplicate_id", &self.name));
        }
        let is_declared = declared.iter().any(|tool| tool.name == self.name);
        if is_declared { Ok(()) } else { Err(invalid("undeclared", &self.name)) }
    }

    fn arguments(&self, cut: bool) -> Result<String, Fault> {
        if cut {
            return Err(invalid("cut", &self.name)); // what it calls behind this is not here
        }
        let arguments =
            joined(self.arguments.clone()).ok_or_else(|| invalid("arguments", &self.name))?;
        // Several providers write nothing where a tool has no parameters.
        if arguments.trim().is_empty() {
            return Ok("{}".to_owned());
        }
        match inexact(&arguments) {
            Some(problem) => Err(invalid(problem, &self.name)),
            None => Ok(arguments),
        }
    }
}

/// The schemas of the tools that were called by their text, each compiled once.
#[derive(Default)]
struct Schemas<'a> {
    compiled: HashMap<&'a str, Option<Schema>>,
}

impl<'a> Schemas<'a> {
    fn accept(&mut self, tool: &'a Declared, arguments: &str, steps: &mut u64) -> bool {
        if tool.parameters.is_empty() {
            return true;
        }
        // Once for all calls of a tool: to compile one takes longer than to check by it.
        let compile = || Schema::new(&tool.parameters).ok();
        let Some(schema) = self.compiled.entry(&tool.parameters).or_insert_with(compile) else {
            return false; // it should have been refused when the tool was declared
        };
        serde_json::from_str(arguments).is_ok_and(|value| schema.accepts(&value, steps))
    }
}

/// Give a name of its own to each call whose provider gave it none.
fn name_all(calls: &mut [Call]) {
    let mut taken: HashSet<String> = calls.iter().map(|call| call.id.clone()).collect();
    for (at, call) in calls.iter_mut().enumerate().filter(|(_, call)| call.id.is_empty()) {
        // A provider may use this very form for the calls that it does name, and a result must not
        // find two.
        let names = (at..).map(|number| format!("call_{number}"));
        // One is always free: the numbers do not end, and the calls do.
        call.id = names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(call.id.clone());
    }
}

fn invalid(problem: &str, name: &str) -> Fault {
    Fault::tool_call_invalid(problem, name)
}
