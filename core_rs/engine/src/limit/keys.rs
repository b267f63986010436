//! A bounded table of keyed state that forgets what time has made irrelevant.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// State that means nothing any more after some time.
pub(super) trait Expiring {
    /// From this time on the state equals that of a key never seen.
    fn expires_us(&self) -> i64;
}

/// At most `keys_max` keys; a new key takes the place of an expired one.
///
/// `listed` holds each key once, under a time no later than its expiry. An admission only moves an
/// expiry later, so it leaves the list alone; the list is put right when a place is needed. So an
/// admission costs one look-up, and a place costs the logarithm of the keys.
#[derive(Debug)]
pub(super) struct KeyTable<V> {
    keys_max: usize,
    entries: HashMap<Arc<str>, Entry<V>>,
    listed: BTreeSet<(i64, Arc<str>)>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    listed_us: i64,
}

impl<V: Expiring + Default> KeyTable<V> {
    pub(super) fn new(keys_max: usize) -> Self {
        Self { keys_max, entries: HashMap::new(), listed: BTreeSet::new() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// For changes that do not let the state expire earlier.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// The key's state, made if there is a place for it; else the time when there will be one.
    pub(super) fn claim(&mut self, key: &str, now_us: i64) -> Result<&mut V, i64> {
        if !self.entries.contains_key(key) {
            self.make_room(now_us)?;
            self.add(key);
        }
        // Never the error: the key was there, or has been added.
        self.get_mut(key).ok_or(now_us)
    }

    /// The key's state, made even where there is no place for it.
    pub(super) fn insert(&mut self, key: &str) -> Option<&mut V> {
        if !self.entries.contains_key(key) {
            self.add(key);
        }
        self.get_mut(key)
    }

    /// Changes a key's state in a way that may let it expire earlier.
    pub(super) fn shorten(&mut self, key: &str, change: impl FnOnce(&mut V)) {
        let Some((key, _)) = self.entries.get_key_value(key) else {
            return;
        };
        let key = Arc::clone(key);
        if let Some(value) = self.get_mut(&key) {
            change(value);
        }
        self.relist(key);
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.listed.remove(&(entry.listed_us, key));
        }
    }

    fn add(&mut self, key: &str) {
        let key: Arc<str> = key.into();
        // Its state is not known yet, so it is listed before all others; the first who needs a
        // place lists it right.
        let entry = Entry { value: V::default(), listed_us: i64::MIN };
        self.listed.insert((entry.listed_us, Arc::clone(&key)));
        self.entries.insert(key, entry);
    }

    fn relist(&mut self, key: Arc<str>) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let was_us = std::mem::replace(&mut entry.listed_us, entry.value.expires_us());
        let listed_us = entry.listed_us;
        self.listed.remove(&(was_us, Arc::clone(&key)));
        self.listed.insert((listed_us, key));
    }

    fn make_room(&mut self, now_us: i64) -> Result<(), i64> {
        // Each turn removes a key or lists one where it belongs now, and no expiry moves meanwhile:
        // so no key is listed twice, and this ends.
        while self.entries.len() >= self.keys_max {
            let Some((listed_us, key)) = self.listed.first().cloned() else {
                return Err(i64::MAX);
            };
            let expires_us = self.get(&key).map_or(listed_us, V::expires_us);
            if expires_us != listed_us {
                self.relist(key);
            } else if expires_us <= now_us {
                self.remove(&key);
            } else {
                return Err(expires_us);
            }
        }
        Ok(())
    }
}
