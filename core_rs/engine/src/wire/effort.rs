//! How much work a check against a schema is, told before it is begun.
//!
//! A short schema can ask for any amount of work: parts that refer to each other double it at each
//! step. What is counted is how often each part of the schema meets a part of the value, without
//! doing it that often.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// The most patterns of a schema: each takes its time to compile.
pub(super) const PATTERNS_MAX: usize = 64;
/// The most schemas that may follow one another on the same part of a value.
const CHAIN_MAX: usize = 24;

/// Keywords with one schema, or a list of them, for the same part of a value.
const SAME: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/// Keywords with schemas by name for the same part of a value.
const SAME_NAMED: &[&str] = &["dependentSchemas", "dependencies"];
/// Keywords with one schema for each of a list's elements.
const ELEMENTS: &[&str] = &["items", "additionalItems", "unevaluatedItems", "contains"];
/// Keywords with one schema for each of an object's properties.
const PROPERTIES: &[&str] = &["additionalProperties", "unevaluatedProperties"];
/// Keywords that move what a reference means.
const MOVING: &[&str] =
    &["$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"];
/// Keywords that do so anywhere but at the root.
const MOVING_BELOW: &[&str] = &["$id", "$schema"];

type Keywords = Map<String, Value>;

/// Parts of a schema, each with how often it meets the same part of a value.
type Meeting<'a> = HashMap<*const Value, (&'a Value, u64)>;

/// What a value is made of.
#[derive(Clone, Copy)]
enum Place<'v> {
    Property(&'v str),
    Element(usize),
    Name,
}

/// What is known of a part of the schema, once it was met.
struct Known<'a> {
    /// The parts that meet what it meets.
    same: Vec<&'a Value>,
    /// Whether it says anything of what a value is made of.
    reaches_below: bool,
    listed: usize,
    patterns: usize,
}

/// Counts the work of checks against one schema.
pub(super) struct Effort<'a> {
    root: &'a Value,
    known: HashMap<*const Value, Known<'a>>,
}

impl<'a> Effort<'a> {
    /// How many patterns it has, if it can be counted at all; otherwise what is in the way.
    pub(super) fn can_be_told(root: &'a Value) -> Result<usize, String> {
        let effort = Effort { root, known: HashMap::new() };
        let (mut patterns, mut heights) = (0, HashMap::new());
        let (mut seen, mut parts) = (HashSet::new(), vec![root]);
        while let Some(part) = parts.pop() {
            let Some(keywords) = part.as_object() else { continue };
            // Once each: a part may refer to itself from further below, and the walk would not end.
            if !seen.insert(std::ptr::from_ref(part)) {
                continue;
            }
            effort.check_words(part, keywords)?;
            patterns += usize::from(keywords.contains_key("pattern"));
            patterns += keywords.get("patternProperties").map_or(0, size);
            effort.height(part, &mut heights, 0)?;
            parts.extend(same(root, keywords));
            parts.extend(all_below(keywords));
        }
        if patterns > PATTERNS_MAX {
            return Err(format!("it has more than {PATTERNS_MAX} patterns"));
        }
        Ok(patterns)
    }

    /// Whether a check takes no more than `steps`, which are spent.
    pub(super) fn of(root: &'a Value, value: &Value, steps: &mut u64) -> bool {
        let mut meeting = Meeting::new();
        add(&mut meeting, root, 1);
        Effort { root, known: HashMap::new() }.spend(meeting, value, steps).is_some()
    }

    fn check_words(&self, part: &Value, keywords: &Keywords) -> Result<(), String> {
        let is_root = std::ptr::eq(part, self.root);
        // At the root they name the whole, from which every reference is counted anyway.
        let below = MOVING_BELOW.iter().filter(|_| !is_root);
        if let Some(word) = MOVING.iter().chain(below).find(|word| keywords.contains_key(**word)) {
            return Err(format!("{word} is not supported here"));
        }
        let dialect = keywords.get("$schema").and_then(Value::as_str).unwrap_or_default();
        // They move references by `id`, which is not looked for here.
        if ["draft-03", "draft-04"].iter().any(|old| dialect.contains(old)) {
            return Err("its dialect is older than draft 6".to_owned());
        }
        match keywords.get("$ref") {
            None => Ok(()),
            Some(Value::String(text)) if !text.starts_with('#') => {
                Err("a $ref leads out of it, and nothing is fetched".to_owned())
            }
            Some(_) if target(self.root, keywords).is_some() => Ok(()),
            Some(_) => Err("a $ref leads nowhere: name a place as in #/$defs/x".to_owned()),
        }
    }

    /// How many schemas follow one another from here on the same part of a value.
    ///
    /// `heights` holds what is known, and 0 for those on the way to here.
    fn height(
        &self,
        part: &'a Value,
        heights: &mut HashMap<*const Value, usize>,
        depth: usize,
    ) -> Result<usize, String> {
        let known = heights.insert(std::ptr::from_ref(part), 0);
        let height = match known {
            Some(0) => return Err("a $ref leads in a circle".to_owned()),
            Some(height) => height,
            // Followed no further, or a long chain would fill the stack before it is refused.
            None if depth == CHAIN_MAX => CHAIN_MAX,
            None => {
                let below = part.as_object().map(|it| same(self.root, it)).unwrap_or_default();
                let heights = below.into_iter().map(|it| self.height(it, heights, depth + 1));
                1 + heights.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0)
            }
        };
        heights.insert(std::ptr::from_ref(part), height);
        if height >= CHAIN_MAX {
            return Err(format!("more than {CHAIN_MAX} of its parts apply to one value in a row"));
        }
        Ok(height)
    }

    fn spend(&mut self, meeting: Meeting<'a>, value: &Value, steps: &mut u64) -> Option<()> {
        // One call deeper for each level of the value, which was parsed and so is nested 128 deep
        // at most.
        let met = self.closed(meeting, value, steps)?;
        match value {
            _ if met.is_empty() => Some(()),
            Value::Array(elements) => elements.iter().enumerate().try_for_each(|(at, element)| {
                self.spend(below(&met, Place::Element(at)), element, steps)
            }),
            Value::Object(properties) => properties.iter().try_for_each(|(name, property)| {
                self.spend(below(&met, Place::Property(name)), property, steps)?;
                let names = below(&met, Place::Name);
                if names.is_empty() {
                    return Some(());
                }
                self.spend(names, &Value::String(name.clone()), steps)
            }),
            _ => Some(()),
        }
    }

    /// All parts that meet this part of the value, in as many rounds as they follow one another;
    /// of them, those that reach below it.
    fn closed(
        &mut self,
        first: Meeting<'a>,
        value: &Value,
        steps: &mut u64,
    ) -> Option<Vec<(&'a Keywords, u64)>> {
        let (mut met, mut round) = (Vec::new(), first);
        while !round.is_empty() {
            let mut next = Meeting::new();
            for (part, count) in round.into_values() {
                let known = self.known_of(part);
                // Spent before the check begins, because a validator that runs cannot be stopped.
                *steps = steps.checked_sub(count.saturating_mul(known.weight(value)))?;
                if known.reaches_below {
                    met.extend(part.as_object().map(|keywords| (keywords, count)));
                }
                for each in &known.same {
                    add(&mut next, each, count);
                }
            }
            round = next;
        }
        Some(met)
    }

    fn known_of(&mut self, part: &'a Value) -> &Known<'a> {
        let root = self.root;
        self.known.entry(std::ptr::from_ref(part)).or_insert_with(|| {
            let same = part.as_object().map(|keywords| same(root, keywords));
            Known::new(part, same.unwrap_or_default())
        })
    }
}

impl<'a> Known<'a> {
    fn new(part: &'a Value, same: Vec<&'a Value>) -> Self {
        let listed = |word: &str| part.get(word).map_or(0, size);
        Self {
            same,
            reaches_below: part.as_object().is_some_and(|it| !all_below(it).is_empty()),
            listed: listed("enum") + listed("required"),
            patterns: listed("patternProperties"),
        }
    }

    /// What one meeting costs by itself.
    fn weight(&self, value: &Value) -> u64 {
        let (of_value, properties) = match value {
            Value::String(text) => (text.len() / 64, 0),
            Value::Array(elements) => (elements.len(), 0),
            Value::Object(properties) => (properties.len(), properties.len()),
            _ => (0, 0),
        };
        // Each pattern for properties is tried on each property's name.
        (1 + self.listed + of_value + self.patterns * properties) as u64
    }
}

/// The parts that meet what `keywords` meet.
fn same<'a>(root: &'a Value, keywords: &'a Keywords) -> Vec<&'a Value> {
    let mut parts: Vec<&Value> = target(root, keywords).into_iter().collect();
    parts.extend(SAME.iter().filter_map(|word| keywords.get(*word)).flat_map(one_or_list));
    parts.extend(SAME_NAMED.iter().flat_map(|word| named(keywords, word)));
    parts
}

/// What a `$ref` means, if it is a plain pointer into the schema.
fn target<'a>(root: &'a Value, keywords: &Keywords) -> Option<&'a Value> {
    let pointer = keywords.get("$ref")?.as_str()?.strip_prefix('#')?;
    // One that is percent-encoded is not read here and so refused, for what is counted must be what
    // the validator follows.
    if pointer.contains('%') { None } else { root.pointer(pointer) }
}

fn add<'a>(meeting: &mut Meeting<'a>, part: &'a Value, count: u64) {
    // A part that is met by many ways is kept once with its number: to count the work must not take
    // as long as to do it.
    let entry = meeting.entry(std::ptr::from_ref(part)).or_insert((part, 0));
    entry.1 = entry.1.saturating_add(count);
}

/// What meets a place of the value that `met` met.
fn below<'a>(met: &[(&'a Keywords, u64)], place: Place<'_>) -> Meeting<'a> {
    let mut meeting = Meeting::new();
    for (keywords, count) in met {
        for each in below_of(keywords, place) {
            add(&mut meeting, each, *count);
        }
    }
    meeting
}

fn below_of<'a>(keywords: &'a Keywords, place: Place<'_>) -> Vec<&'a Value> {
    let of = |word: &'static str| keywords.get(word);
    match place {
        Place::Name => of("propertyNames").into_iter().collect(),
        Place::Property(name) => {
            let own = of("properties").and_then(|it| it.get(name));
            let rest = PROPERTIES.iter().filter_map(|word| keywords.get(*word));
            own.into_iter().chain(rest).chain(named(keywords, "patternProperties")).collect()
        }
        Place::Element(at) => {
            let listed = ["prefixItems", "items"].into_iter().filter_map(of);
            let own = listed.filter_map(|it| it.as_array()?.get(at));
            let rest = ELEMENTS.iter().filter_map(|word| of(word)).filter(|it| !it.is_array());
            own.chain(rest).collect()
        }
    }
}

/// Every schema below these keywords that is not met with them, also one that only may be named.
fn all_below(keywords: &Keywords) -> Vec<&Value> {
    let single = ELEMENTS.iter().chain(PROPERTIES).chain(&["propertyNames", "prefixItems"]);
    let by_name = ["properties", "patternProperties", "$defs", "definitions"];
    single
        .filter_map(|word| keywords.get(*word))
        .flat_map(one_or_list)
        .chain(by_name.iter().flat_map(|word| named(keywords, word)))
        .collect()
}

fn one_or_list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |list| list.iter().collect())
}

fn named<'a>(keywords: &'a Keywords, word: &str) -> Vec<&'a Value> {
    keywords
        .get(word)
        .and_then(Value::as_object)
        .map(|it| it.values().collect())
        .unwrap_or_default()
}

fn size(value: &Value) -> usize {
    value.as_array().map(Vec::len).or_else(|| Some(value.as_object()?.len())).unwrap_or(1)
}
