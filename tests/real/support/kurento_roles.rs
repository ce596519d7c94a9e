//! A Kurento behind a gateway that judges each message: a route for each of several roles.

use std::fmt::Write as _;

use serde_json::json;

use super::guarded::{TOKEN_SECRET, token};
use super::rpc::Rpc;
use super::{Folder, Gateway, Kurento};

/// The roles, each with a policy of this name and what stands in it.
const ROLES: [(&str, &str); 4] = [
    ("app", r#"messages = ["kurento-app"]"#),
    (
        "media",
        "messages = [\"kurento-app\"]\nuris = [\"https://media.example.com/pub/\"]",
    ),
    ("operators", r#"messages = ["kurento-operator"]"#),
    ("observers", r#"messages = ["kurento-observe"]"#),
];

/// The server with its gateway.
pub(crate) struct KurentoRoles {
    pub(crate) gateway: Gateway,
    pub(crate) kurento: Kurento,
    #[expect(dead_code, reason = "removed when the test has ended")]
    folder: Folder,
}

impl KurentoRoles {
    /// In front of the server of `KMS_URL`, or of a stand-in.
    pub(crate) fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let kurento = Kurento::start(&folder);
        let gateway = Gateway::start(&folder, "", &tables(kurento.cable.port));
        Self {
            gateway,
            kurento,
            folder,
        }
    }

    /// A client with a role and a token of this user.
    #[track_caller]
    pub(crate) fn client(&self, role: &str, subject: &str) -> Rpc {
        let token = token(json!({"sub": subject}));
        Rpc::open(&self.gateway.dial(), &format!("/{role}/kurento"), &token)
    }
}

fn tables(kurento: u16) -> String {
    let mut text = format!(
        "[limits]\nrefusals_per_tunnel = \"1000000/10s\"\n\
         [upstreams.kms]\nservers = [\"http://127.0.0.1:{kurento}\"]\n\
         protocol = \"kurento\"\n\
         [issuers.app]\nalgorithms = [\"HS256\"]\nsecret = \"{TOKEN_SECRET}\"\naudience = \"any\"\n\
         leeway = \"0s\"\nsources = [\"query:access_token\", \"header\"]\n"
    );
    for (role, messages) in ROLES {
        let _ = writeln!(
            text,
            "[policies.{role}]\nissuers = [\"app\"]\n{messages}\n\
             [[routes]]\npath = \"/{role}/kurento\"\nstrip_prefix = \"/{role}\"\n\
             upstream = \"kms\"\npolicy = \"{role}\""
        );
    }
    text
}
