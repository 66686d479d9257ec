//! What the subcommands' options have in common, and how their values are read.

use std::time::Duration;

use salut::{Builder, Mdns, Service, ServiceError, Txt, TxtError};

/// Where on the network.
#[derive(clap::Args)]
pub(crate) struct Network {
    /// Only on this network interface; may be given again
    #[arg(long = "interface", value_name = "IF")]
    interfaces: Vec<String>,
}

impl Network {
    /// Those that were given by name.
    pub(crate) fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    /// A participant on these interfaces, or on all of them.
    pub(crate) fn builder(&self) -> Builder {
        self.interfaces.iter().fold(Mdns::builder(), |builder, name| builder.interface(name))
    }
}

/// A port a service can listen on.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) => Err(ServiceError::PortZero.to_string()),
        Ok(port) => Ok(port),
        Err(_) => Err(format!("{text:?} is not a port; right would be a number from 1 to 65535")),
    }
}

/// A subtype, checked as a service checks it.
pub(crate) fn subtype(text: &str) -> Result<String, ServiceError> {
    Service::new("any", "_any._tcp", 1)?.subtype(text)?;
    Ok(text.to_owned())
}

/// One TXT attribute: a key, and its value if there was a `=`.
#[derive(Clone)]
pub(crate) struct Attribute {
    pub(crate) key: String,
    value: Option<String>,
}

impl Attribute {
    /// `txt` with this attribute added.
    pub(crate) fn add_to(&self, txt: Txt) -> Result<Txt, TxtError> {
        match &self.value {
            Some(value) => txt.with(&self.key, value),
            None => txt.with_flag(&self.key),
        }
    }
}

/// `key`, `key=` or `key=value`.
pub(crate) fn attribute(text: &str) -> Result<Attribute, TxtError> {
    let attribute = match text.split_once('=') {
        Some((key, value)) => Attribute { key: key.to_owned(), value: Some(value.to_owned()) },
        None => Attribute { key: text.to_owned(), value: None },
    };
    attribute.add_to(Txt::new())?;
    Ok(attribute)
}

/// A length of time: `500ms`, `5s`, `1m 30s`; a plain number counts seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .ok_or_else(|| format!("{text:?} is not a length of time; right would be 5s, 500ms, 2m or 5"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_have_units_or_count_seconds() {
        let ms = |text| duration(text).unwrap().as_millis();
        assert_eq!(ms("5s"), 5000);
        assert_eq!(ms("500ms"), 500);
        assert_eq!(ms("1m 30s"), 90_000);
        assert_eq!(ms("3"), 3000);
        assert_eq!(ms("0.25"), 250);
        for bad in ["", "5x", "-1", "NaN", "inf", "1e300", "s", "99999999999999999999y"] {
            let error = duration(bad).unwrap_err();
            assert!(error.contains("right would be 5s"), "{bad}: {error}");
        }
    }

    #[test]
    fn an_attribute_keeps_everything_behind_the_first_equals_sign() {
        let read = |text| {
            let txt = attribute(text).unwrap().add_to(Txt::new()).unwrap();
            let (key, value) = txt.attributes().next().unwrap();
            (key.to_vec(), value.map(<[u8]>::to_vec))
        };
        assert_eq!(read("k=v"), (b"k".to_vec(), Some(b"v".to_vec())));
        assert_eq!(read("k="), (b"k".to_vec(), Some(vec![])));
        assert_eq!(read("flag"), (b"flag".to_vec(), None));
        assert_eq!(read("k=a=b"), (b"k".to_vec(), Some(b"a=b".to_vec())));
        assert!(attribute("=v").is_err());
        assert!(attribute("").is_err());
        assert!(attribute("ключ=v").is_err());
        assert!(attribute(&format!("k={}", "x".repeat(253))).is_ok());
        assert!(attribute(&format!("k={}", "x".repeat(254))).is_err());
    }
}
