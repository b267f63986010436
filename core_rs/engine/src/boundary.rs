//! Which identity a call acts in, and what it may touch there.

use crate::vocabulary::ViolationType;

/// An identity id has at most this many characters.
const ID_LENGTH_MAX: usize = 64;

/// The identity that a call acts in: the one it named, or the only one its token holds.
///
/// # Errors
/// [`ViolationType`] when there is no such identity; nothing is ever chosen for the caller.
pub fn choose_identity<'a, T: AsRef<str>>(
    held: &'a [T],
    named: Option<&str>,
) -> Result<&'a str, ViolationType> {
    let mut ids = held.iter().map(AsRef::as_ref);
    let chosen = match named {
        Some(named) if !is_identity_id(named) => return Err(ViolationType::InvalidIdentity),
        Some(named) => ids.find(|id| *id == named).ok_or(ViolationType::SpoofedIdentity)?,
        None => only_one(ids).ok_or(ViolationType::MissingIdentity)?,
    };
    // Checked also where the token holds it: an issuer's mistake must not become a key of rows and
    // logs.
    if is_identity_id(chosen) { Ok(chosen) } else { Err(ViolationType::InvalidIdentity) }
}

/// Whether a resource of `resource_identity` belongs to `identity`.
///
/// A resource that is not there belongs to nobody: whether it exists elsewhere stays unknown.
#[must_use]
pub fn owns(identity: &str, resource_identity: Option<&str>) -> bool {
    resource_identity == Some(identity)
}

/// Whether the `required` role is among `roles`. No role implies another; none required is denied.
#[must_use]
pub fn role_allowed<T: AsRef<str>>(required: &str, roles: &[T]) -> bool {
    // An rpc that names no role is a mistake in the contract, and must not be one that is open to
    // all.
    !required.is_empty() && roles.iter().any(|role| role.as_ref() == required)
}

fn only_one<'a>(mut ids: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = ids.next()?;
    // A token may list one identity twice, which leaves nothing to choose.
    ids.all(|id| id == first).then_some(first)
}

fn is_identity_id(id: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_allowed = |byte: u8| is_alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-');
    id.len() <= ID_LENGTH_MAX
        && id.bytes().next().is_some_and(is_alphanumeric)
        && id.bytes().all(is_allowed)
}
