//! Resources of WHIP and WHEP, for the process that replaces this one.

use std::time::Instant;

use super::super::handed::Handed;
use super::{Owner, Parameters, Resource, ResourcePath, Resources};

impl Resources {
    /// Everything that belongs to clients.
    pub(in crate::signalling::owners) fn hand_over(&self, now: Instant) -> Vec<Handed> {
        let state = self.state.lock();
        let resources = state.resources.values();
        let of_clients = resources.filter(|resource| !resource.place.owner().is_connection());
        of_clients.map(|resource| resource.handed(now)).collect()
    }

    /// Takes a resource that another process hands over.
    pub(in crate::signalling::owners) fn take(
        &self,
        owner: Owner,
        path: Box<str>,
        parameters: Vec<(String, String)>,
        (is_endpoint, used): (bool, Instant),
    ) {
        let parameters = Parameters::sorted(parameters);
        let longest = parameters.longest();
        let named = ResourcePath {
            path: &path,
            query: None,
        };
        let name = named.canonical_path();
        let mut state = self.state.lock();
        let same = match is_endpoint {
            true => state.of_endpoint(owner, &name),
            false => state.spelled((&name, &longest), &path, &parameters),
        };
        if let Some(id) = same {
            let known = state.resources.get_mut(&id);
            if let Some(known) = known
                && known.place.owner() == owner
            {
                known.used = known.used.max(used);
            }
            // Another client's, which was created here, is the newer one.
            return;
        }
        let Some(place) = self.place(&mut state, owner) else {
            return;
        };
        let resource = Resource {
            place,
            path,
            parameters,
            name: name.into(),
            longest,
            is_endpoint,
            used,
        };
        state.insert(owner, resource);
    }
}

impl Resource {
    pub(super) fn handed(&self, now: Instant) -> Handed {
        Handed::Resource {
            owner: self.place.owner(),
            path: self.path.clone(),
            parameters: self.parameters.pairs().to_vec(),
            is_endpoint: self.is_endpoint,
            idle: now.saturating_duration_since(self.used),
        }
    }
}
