//! Every file and folder that a configuration names.

use super::Config;
use crate::exposure::{NamedFile, Use};
use crate::policy::Basic;
use crate::route::Target;

impl Config {
    /// Every file and folder that it names, the file that it was read from among them, each by what
    /// it is. One may come more than once: a certificate and its key are often one file.
    pub fn files(&self) -> Vec<NamedFile> {
        let mut files = vec![NamedFile::new("this file", &self.file, Use::CONFIGURATION)];
        let included = self.included.iter();
        files.extend(included.map(|path| NamedFile::new("include", path, Use::CONFIGURATION)));
        files.extend(self.control.files());
        let audit = self.log.audit.file();
        files.extend(audit.map(|path| NamedFile::new("log.audit", path, Use::AUDIT_LOG)));
        files.extend(self.tls.files());
        files.extend(self.routes.upstreams().iter().flat_map(|spec| spec.files()));
        files.extend(self.issuers.iter().flat_map(|spec| spec.files()));
        files.extend(self.turns.iter().flat_map(|spec| spec.files()));
        files.extend(self.passwords().map(|(name, basic)| {
            let key = format!("policies.{name}.basic.file");
            NamedFile::watched(key, &basic.file, Use::PASSWORDS)
        }));
        files.extend(self.acme.iter().flat_map(|spec| spec.files()));
        files.extend(self.deploy.iter().flat_map(|spec| spec.files()));
        files.extend(self.routes.routes().iter().filter_map(|route| {
            let Target::Files(spec) = &route.target else {
                return None;
            };
            let key = format!("route {}: files", route.path);
            Some(NamedFile::new(key, &spec.root, Use::CONTENT))
        }));
        files
    }

    /// The policies with passwords, by their names.
    pub fn passwords(&self) -> impl Iterator<Item = (&str, &Basic)> {
        self.policies.iter().filter_map(|policy| {
            let basic = policy.login()?.basic()?;
            Some((policy.name(), basic))
        })
    }

    /// The keys of secrets that are written in the file itself.
    pub(super) fn inline_secrets(&self) -> impl Iterator<Item = String> {
        let issuers = self.issuers.iter().filter_map(|spec| spec.inline_secret());
        let turns = self.turns.iter().filter_map(|spec| spec.inline_secret());
        let acme = self.acme.iter().filter_map(|spec| spec.inline_secret());
        issuers.chain(turns).chain(acme)
    }
}
