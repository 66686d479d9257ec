//! What a run comes to: a cause, how sure it is, one sentence, and what to do.

use super::facts::Interface;

/// Why discovery does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    AllWell,
    NoInterface,
    Down,
    NoCarrier,
    NoMulticast,
    NoAddress,
    PortTaken,
    Refused,
    OutboundBlocked,
    SendFailed,
    Permission,
    InboundBlocked,
    AppFirewall,
    MulticastDropped,
    OneWay,
    TheirFirewall,
    Isolated,
    OtherSubnet,
    WrongInterface,
    VpnChosen,
    WrongRoute,
    Container,
    Wsl2,
    DuplicateIdentity,
    UnknownHost,
    Unclear,
}

impl Cause {
    /// For programs: stays as it is.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::AllWell => "all-well",
            Self::NoInterface => "no-interface",
            Self::Down => "link-down",
            Self::NoCarrier => "no-carrier",
            Self::NoMulticast => "no-multicast",
            Self::NoAddress => "no-address",
            Self::PortTaken => "port-taken",
            Self::Refused => "refused",
            Self::OutboundBlocked => "outbound-blocked",
            Self::SendFailed => "send-failed",
            Self::Permission => "local-network-permission",
            Self::InboundBlocked => "inbound-blocked",
            Self::AppFirewall => "app-firewall",
            Self::MulticastDropped => "multicast-dropped",
            Self::OneWay => "one-way",
            Self::TheirFirewall => "their-firewall",
            Self::Isolated => "isolated",
            Self::OtherSubnet => "other-subnet",
            Self::WrongInterface => "wrong-interface",
            Self::VpnChosen => "vpn-chosen",
            Self::WrongRoute => "wrong-route",
            Self::Container => "container",
            Self::Wsl2 => "wsl2",
            Self::DuplicateIdentity => "duplicate-identity",
            Self::UnknownHost => "unknown-host",
            Self::Unclear => "unclear",
        }
    }
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// Nothing else explains what was seen.
    Sure,
    /// The usual explanation; another one is possible.
    Likely,
    /// Several explanations, none more likely than the others.
    Unclear,
}

impl Certainty {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::Likely => "likely",
            Self::Unclear => "unclear",
        }
    }
}

/// One line of what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Advice {
    Words(String),
    /// To be typed.
    Command(String),
}

#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) cause: Cause,
    pub(super) certainty: Certainty,
    /// Which interface it is about, if one.
    pub(super) interface: Option<String>,
    /// One sentence.
    pub(super) text: String,
    pub(super) advice: Vec<Advice>,
}

impl Verdict {
    pub(super) fn new(cause: Cause, certainty: Certainty, interface: Option<String>, text: String) -> Self {
        Self { cause, certainty, interface, text, advice: Vec::new() }
    }

    pub(super) fn on(interface: &Interface, cause: Cause, certainty: Certainty, text: String) -> Self {
        Self::new(cause, certainty, Some(interface.name.clone()), text)
    }

    pub(super) fn advise(mut self, words: impl Into<String>) -> Self {
        self.advice.push(Advice::Words(words.into()));
        self
    }

    pub(super) fn command(mut self, command: impl Into<String>) -> Self {
        self.advice.push(Advice::Command(command.into()));
        self
    }
}
