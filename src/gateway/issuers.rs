//! Issuers, and the tasks that fetch the keys of some of them. A reload keeps the task and the keys
//! of each issuer whose keys still come from the same endpoint.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::error::StartError;
use super::previous::Previous;
use crate::clock::UnixTime;
use crate::jwks::{self, Client};
use crate::tls;
use crate::token::issuer::{Fetched, Issuer, IssuerSpec, KeyEndpoint, KeyRequest};
use crate::token::keys::{HandedKey, KeySet};
use crate::token::load::{self, LoadError};

/// The tasks that run. A task ends when it is dropped from here.
#[derive(Debug, Default)]
pub(super) struct KeyTasks(Vec<Arc<KeyTask>>);

/// A task that fetches the keys of one issuer.
#[derive(Debug)]
struct KeyTask {
    spec: Arc<IssuerSpec>,
    fetched: Arc<Fetched>,
    /// Replaces the client when the CA file changes. The task ends when this is dropped.
    client: watch::Sender<Client>,
}

/// Fetched keys that another process hands over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HandedKeys {
    issuer: Box<str>,
    url: Box<str>,
    keys: Vec<HandedKey>,
    succeeded: UnixTime,
    due: UnixTime,
}

impl HandedKeys {
    fn is_for(&self, spec: &IssuerSpec, endpoint: &KeyEndpoint) -> bool {
        *self.issuer == *spec.name && self.url == endpoint.url
    }
}

impl KeyTasks {
    /// The keys that have been fetched, for another process.
    pub(super) fn hand_over(&self) -> Vec<HandedKeys> {
        let tasks = self.0.iter().filter_map(|task| {
            Some(HandedKeys {
                issuer: Box::from(&*task.spec.name),
                url: task.spec.keys.endpoint()?.url.clone(),
                keys: task.fetched.set().hand_over(),
                succeeded: task.fetched.last_success()?,
                due: task.fetched.due(),
            })
        });
        tasks.collect()
    }
}

/// The issuers of a configuration, and the tasks to keep or start for their keys.
#[derive(Debug)]
pub(super) struct IssuerPlan {
    issuers: Vec<Arc<Issuer>>,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Keep(Arc<KeyTask>, Client),
    Start(Arc<KeyTask>, mpsc::Receiver<KeyRequest>),
}

impl IssuerPlan {
    /// Reads files. Nothing is fetched, and no task starts, before [`IssuerPlan::start`].
    ///
    /// # Errors
    /// Every problem with the files.
    pub(super) fn new(
        specs: &[Arc<IssuerSpec>],
        running: &KeyTasks,
        handed: &[HandedKeys],
        before: &mut Previous<'_>,
    ) -> Result<Self, StartError> {
        let mut plan = Self {
            issuers: Vec::new(),
            steps: Vec::new(),
        };
        let (mut keys, mut cas) = (Vec::new(), Vec::new());
        for spec in specs {
            match plan.add(spec, (running, handed), before) {
                Ok(()) => {}
                Err(IssuerError::Keys(errors)) => keys.extend(errors),
                Err(IssuerError::Ca(error)) => cas.push(error),
            }
        }
        match (keys.is_empty(), cas.is_empty()) {
            (true, true) => Ok(plan),
            (false, true) => Err(StartError::Issuers(keys)),
            (true, false) => Err(StartError::Certificates(cas)),
            (false, false) => Err(StartError::Several(vec![
                StartError::Issuers(keys),
                StartError::Certificates(cas),
            ])),
        }
    }

    fn add(
        &mut self,
        spec: &Arc<IssuerSpec>,
        known_keys: (&KeyTasks, &[HandedKeys]),
        before: &mut Previous<'_>,
    ) -> Result<(), IssuerError> {
        let step = spec
            .keys
            .endpoint()
            .map(|endpoint| step(spec, endpoint, known_keys, before))
            .transpose()?;
        let known = before
            .snapshot
            .and_then(|before| before.issuers.iter().find(|known| known.spec == *spec));
        // Called only if the keys are fetched, and then there is a step.
        let fetched = || {
            step.as_ref()
                .map_or_else(|| Fetched::new(mpsc::channel(1).0), Step::fetched)
        };
        let issuer = match known {
            Some(known) => load::reload(spec, fetched, known, &mut before.issuers),
            None => load::load(spec, fetched)?,
        };
        if let Some(weak) = load::weak(&issuer) {
            tracing::warn!("{weak}");
        }
        self.issuers.push(Arc::new(issuer));
        self.steps.extend(step);
        Ok(())
    }

    /// The issuers, in the order of the configuration.
    pub(super) fn issuers(&self) -> Vec<Arc<Issuer>> {
        self.issuers.clone()
    }

    /// Starts the new tasks on the current runtime. Tasks that are no longer needed end when the
    /// old `KeyTasks` are dropped.
    ///
    /// # Errors
    /// If a task is to be started and there is no runtime.
    pub(super) fn start(self) -> io::Result<KeyTasks> {
        let steps = self.steps.into_iter();
        steps
            .map(Step::take)
            .collect::<io::Result<Vec<_>>>()
            .map(KeyTasks)
    }
}

impl Step {
    fn fetched(&self) -> Arc<Fetched> {
        let (Self::Keep(task, _) | Self::Start(task, _)) = self;
        Arc::clone(&task.fetched)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends when the sender of its client is dropped"
    )]
    fn take(self) -> io::Result<Arc<KeyTask>> {
        match self {
            Self::Keep(task, client) => {
                task.client.send_replace(client);
                Ok(task)
            }
            Self::Start(task, receiver) => {
                let runtime = Handle::try_current().map_err(io::Error::other)?;
                let (spec, fetched) = (Arc::clone(&task.spec), Arc::clone(&task.fetched));
                runtime.spawn(jwks::follow(
                    spec,
                    fetched,
                    receiver,
                    task.client.subscribe(),
                ));
                Ok(task)
            }
        }
    }
}

fn step(
    spec: &Arc<IssuerSpec>,
    endpoint: &KeyEndpoint,
    (running, handed): (&KeyTasks, &[HandedKeys]),
    kept: &mut Previous<'_>,
) -> Result<Step, IssuerError> {
    let same = |task: &&Arc<KeyTask>| task.spec.name == spec.name && task.spec.keys == spec.keys;
    let before = running.0.iter().find(same);
    let client = match (Client::new(&spec.name, endpoint), before) {
        (Ok(client), _) => client,
        (Err(error), Some(before)) if kept.snapshot.is_some() => {
            kept.certificates.push(error);
            before.client.borrow().clone()
        }
        (Err(error), _) => return Err(error.into()),
    };
    if let Some(before) = before.filter(|before| before.spec.algorithms == spec.algorithms) {
        return Ok(Step::Keep(Arc::clone(before), client));
    }
    let (sender, receiver) = mpsc::channel(jwks::MAX_REQUESTS);
    let fetched = Fetched::new(sender);
    if let Some(before) = before {
        // Until other keys arrive, those that are for the new algorithms stay in force.
        fetched.replace(before.fetched.set().narrowed(&spec.algorithms));
    } else if let Some(handed) = handed.iter().find(|handed| handed.is_for(spec, endpoint)) {
        fetched.replace(KeySet::handed_over(handed.keys.clone(), &spec.algorithms));
        fetched.note_success(handed.succeeded);
        fetched.note_due(handed.due);
    }
    let task = KeyTask {
        spec: Arc::clone(spec),
        fetched,
        client: watch::Sender::new(client),
    };
    Ok(Step::Start(Arc::new(task), receiver))
}

/// Why an issuer cannot be used.
enum IssuerError {
    Keys(Vec<LoadError>),
    Ca(tls::LoadError),
}

impl From<Vec<LoadError>> for IssuerError {
    fn from(errors: Vec<LoadError>) -> Self {
        Self::Keys(errors)
    }
}

impl From<tls::LoadError> for IssuerError {
    fn from(error: tls::LoadError) -> Self {
        Self::Ca(error)
    }
}
