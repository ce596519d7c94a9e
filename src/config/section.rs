//! [`section!`], the one place in which a key of `gateway.toml` is declared.

/// Declares a table of `gateway.toml`: the struct that is read, the reader, and the description
/// from which `docs/reference.md` and "did you mean" are made.
///
/// ```text
/// section! {
///     /// What the table is for: the paragraph in the reference.
///     "[tls]" => struct RawTls {
///         /// What the key means: its paragraph in the reference.
///         min_version: MinVersion = default(MinVersion::Tls12);
///     }
///     also {
///         /// Anything else that a check needs to know of the table.
///         place: Place = |table| table.place().clone();
///     }
///     check missing_certificate;
/// }
/// ```
///
/// After the colon stands a kind of value, which is a type that implements
/// [`Read`](super::read::Read): the field has the type that the kind [reads
/// as](super::read::Read::Out). `Spanned<_>` keeps the place for later checks, `List<_>` and
/// `Named<_>` are lists and tables with chosen names. After the equals sign stands what holds where
/// the key is absent:
///
/// | written | the field | where the key is absent |
/// |---|---|---|
/// | `required("missing; …")` | `Option<Out>` | this is reported |
/// | `nonempty("there is …")` | `Out`, a list | this is reported, for an empty list too |
/// | `default(value)` | `Out` | the value; also where the key is wrong |
/// | `optional("words")` | `Option<Out>` | `None`; the reference has the words |
/// | `optional(is value)` | `Option<Out>` | `None`; the reference has the value |
/// | `or_empty("words")` | `Out`, a list | the empty list; the reference has the words |
/// | `section(unset)` | `Option<Out>` | the table is read as an empty one |
///
/// A key that is there and wrong is reported by its kind. `check` names a function that gets what
/// was read and the [`Table`](super::read::Table), and reports what one key alone does not show.
///
/// A flat table needs no struct for itself: `"[limits]" => Limits { … }` reads the keys straight
/// into the fields of a type that has a `Default`, and takes the defaults from there.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $table:literal => struct $name:ident {
            $( $(#[doc = $text:literal])* $key:ident: $kind:ty = $mode:ident($($arg:tt)*); )*
        }
        $( also { $( $(#[doc = $said:literal])* $extra:ident: $of:ty = $know:expr; )* } )?
        $( check $check:expr; )?
    ) => {
        $(#[doc = $about])*
        pub(in crate::config) struct $name {
            $(
                $(#[doc = $text])*
                pub(in crate::config) $key: section!(@field $mode $kind),
            )*
            $($( $(#[doc = $said])* pub(in crate::config) $extra: $of, )*)?
        }

        impl $crate::config::read::Section for $name {
            const KEYS: &'static $crate::config::schema::Keys = &$crate::config::schema::Keys {
                table: $table,
                about: concat!($($about, "\n"),*),
                keys: &[$( $crate::config::schema::Key {
                    name: $crate::config::section::key_name(stringify!($key)),
                    form: <$kind as $crate::config::read::Read>::FORM,
                    or_list: <$kind as $crate::config::read::Read>::OR_LIST,
                    other_spellings: <$kind as $crate::config::read::Read>::OTHER_SPELLINGS,
                    unset: section!(@unset $mode $kind, $($arg)*),
                    text: concat!($($text, "\n"),*),
                } ),*],
            };

            fn read(table: &$crate::config::read::Table<'_>) -> Self {
                let read = Self {
                    $( $key: section!(
                        @read $mode table,
                        $crate::config::section::key_name(stringify!($key)), $kind, $($arg)*
                    ), )*
                    $($( $extra: {
                        let know: fn(&$crate::config::read::Table<'_>) -> $of = $know;
                        know(table)
                    }, )*)?
                };
                $( $check(&read, table); )?
                read
            }
        }
    };

    (
        $(#[doc = $about:literal])*
        $table:literal => $name:ident {
            $( $(#[doc = $text:literal])* $key:ident: $kind:ty; )*
        }
    ) => {
        impl $crate::config::read::Section for $name {
            const KEYS: &'static $crate::config::schema::Keys = &$crate::config::schema::Keys {
                table: $table,
                about: concat!($($about, "\n"),*),
                keys: &[$( $crate::config::schema::Key {
                    name: stringify!($key),
                    form: <$kind as $crate::config::read::Read>::FORM,
                    or_list: <$kind as $crate::config::read::Read>::OR_LIST,
                    other_spellings: <$kind as $crate::config::read::Read>::OTHER_SPELLINGS,
                    unset: section!(@unset default $kind, Self::default().$key),
                    text: concat!($($text, "\n"),*),
                } ),*],
            };

            fn read(table: &$crate::config::read::Table<'_>) -> Self {
                let default = Self::default();
                Self {
                    $(
                        $key: section!(
                            @read default table, stringify!($key), $kind, default.$key
                        ),
                    )*
                }
            }
        }
    };

    (@field default $kind:ty) => { <$kind as $crate::config::read::Read>::Out };
    (@field nonempty $kind:ty) => { <$kind as $crate::config::read::Read>::Out };
    (@field or_empty $kind:ty) => { <$kind as $crate::config::read::Read>::Out };
    (@field $mode:ident $kind:ty) => { Option<<$kind as $crate::config::read::Read>::Out> };

    (@unset required $kind:ty, $text:expr) => { $crate::config::schema::Unset::Required };
    (@unset nonempty $kind:ty, $text:expr) => { $crate::config::schema::Unset::Required };
    (@unset default $kind:ty, $value:expr) => {
        $crate::config::schema::Unset::Is(|| {
            <$kind as $crate::config::read::Write>::write(&$value)
        })
    };
    (@unset optional $kind:ty, is $value:expr) => {
        $crate::config::schema::Unset::Usually(|| {
            <$kind as $crate::config::read::Write>::write(&$value)
        })
    };
    (@unset optional $kind:ty, $words:expr) => { $crate::config::schema::Unset::Means($words) };
    (@unset or_empty $kind:ty, $words:expr) => { $crate::config::schema::Unset::Means($words) };
    (@unset section $kind:ty, $unset:expr) => { $unset };

    (@read required $table:ident, $key:expr, $kind:ty, $text:expr) => {
        $table.require::<$kind>($key, $text)
    };
    (@read nonempty $table:ident, $key:expr, $kind:ty, $text:expr) => {
        $table.require_some::<$kind, _>($key, $text)
    };
    (@read default $table:ident, $key:expr, $kind:ty, $value:expr) => {
        $table.get::<$kind>($key).unwrap_or_else(|| $value)
    };
    (@read optional $table:ident, $key:expr, $kind:ty, $($unset:tt)*) => {
        $table.get::<$kind>($key)
    };
    (@read or_empty $table:ident, $key:expr, $kind:ty, $words:expr) => {
        $table.get::<$kind>($key).unwrap_or_default()
    };
    (@read section $table:ident, $key:expr, $kind:ty, $unset:expr) => {
        $table.section::<$kind>($key)
    };
}

/// The name of the key for a field, which may be written `r#type`.
pub(super) const fn key_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

pub(super) use section;
