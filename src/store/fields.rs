//! How times and keys are written in the JSON of a store.

/// Times in RFC 3339 format, in UTC.
pub(super) mod unix_time {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::clock::UnixTime;

    pub(in super::super) fn serialize<S: Serializer>(
        time: &UnixTime,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<UnixTime, D::Error> {
        let text = String::deserialize(from)?;
        let time = humantime::parse_rfc3339_weak(&text).map_err(D::Error::custom)?;
        Ok(time.into())
    }
}

/// The same for optional times.
pub(super) mod optional_time {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::clock::UnixTime;

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "super::unix_time")] UnixTime);

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<UnixTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Time).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<UnixTime>, D::Error> {
        Ok(Option::<Time>::deserialize(from)?.map(|Time(time)| time))
    }
}

/// Text that nothing but the store may show.
pub(super) mod secret_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::secret::Secret;

    pub(in super::super) fn serialize<S: Serializer>(
        secret: &Secret<String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(secret.reveal())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Secret<String>, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}
