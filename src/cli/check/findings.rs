//! What asking the servers of one kind has found.

/// Lines for people under a title, and the number of problems among them.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) text: String,
    pub(super) problems: usize,
}

impl Findings {
    /// With this title if there is anything to show.
    pub(super) fn titled(self, title: &str) -> Self {
        if self.text.is_empty() {
            return self;
        }
        let text = format!("{title}\n{}", self.text);
        Self { text, ..self }
    }
}
