//! How a closed list of words is declared; `vocabulary` has the lists.

/// An enum whose values have a number in the contract and a spelling in rows, tokens and policies.
macro_rules! words {
    ($(#[$about:meta])* $name:ident {
        $($(#[$meaning:meta])* $value:ident = $number:literal, $text:literal;)*
    } $(final $($last:ident)*;)?) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$meaning])* $value = $number),*
        }

        impl $name {
            /// All of them, in the contract's order.
            pub const ALL: &'static [Self] = &[$(Self::$value),*];

            /// Its name on the wire.
            #[must_use]
            pub fn wire_name(self) -> &'static str {
                match self {
                    $(Self::$value => $text),*
                }
            }

            /// Its number in the contract.
            #[must_use]
            pub fn number(self) -> u16 {
                self as u16
            }

            /// The one of this name.
            #[must_use]
            pub fn from_wire_name(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$value),)*
                    _ => None,
                }
            }

            /// The one of this number.
            #[must_use]
            pub fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$value),)*
                    _ => None,
                }
            }

            $(
                /// Whether nothing comes after it.
                #[must_use]
                pub fn is_final(self) -> bool {
                    matches!(self, $(Self::$last)|*)
                }
            )?
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.wire_name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                let unknown = || serde::de::Error::unknown_variant(&text, &[$($text),*]);
                Self::from_wire_name(&text).ok_or_else(unknown)
            }
        }
    };
}

pub(crate) use words;
