//! `[[policies.NAME.rules]]`: rules for messages.

use super::section;
use crate::config::problem::{Place, Spanned};
use crate::config::values::{
    ClaimName, Claims, MediaHost, MemberName, OneOrMore, PluginName, Ptype, RequestName, Room,
    RuleName, Verb,
};
use crate::signalling::rules::Effect;

section! {
    /// A rule for [messages](messages.md) of Janus. The rules of a policy are tried in their order,
    /// before those of its presets; the first one whose conditions all hold decides, and a message
    /// that no rule allows is refused. A condition that is not written holds for everything that
    /// the gateway knows; an unknown verb, plugin or request has to be named. A rule that could
    /// never decide is rejected.
    "[[policies.NAME.rules]]" => struct RawRule {
        /// What the rule is called in logs, metrics and explanations.
        name: Spanned<RuleName> = optional("`rules[0]` and so on, by its place");
        /// Whether messages that match pass or are refused.
        effect: Effect = required("missing; write effect = \"allow\" or \"deny\"");
        /// What the message is for Janus.
        verb: Spanned<OneOrMore<Verb>> = optional("any");
        /// The plugin that the message is for: named by `attach`, and of the handle by everything
        /// else.
        plugin: Spanned<OneOrMore<PluginName>> = optional("any, or none");
        /// What the plugin is asked for. It must be a request of one of `plugin`, where that names
        /// a plugin that the gateway knows.
        request: Spanned<OneOrMore<RequestName>> = optional("any, or none");
        /// As what the client joins a room of VideoRoom. A message without one does not match.
        ptype: Spanned<OneOrMore<Ptype>> = optional("any, or none");
        /// The rooms. A request about a room must name one of them; a request that is about the
        /// room that the client is in already, such as `configure`, names none and matches an
        /// `allow`. Not together with `room_claims`.
        room: Spanned<OneOrMore<Room>> = optional("any, or none");
        /// The claim of the token that has the rooms, or a list of such claims: each is a room, a
        /// list of rooms, or `"*"` for every one. Here too, `1` and `"1"` are two rooms.
        room_claims: Spanned<OneOrMore<ClaimName>> = optional("any room, or none");
        /// What the token must claim, all of it, as in
        /// [`claims`](#policiesnameclaims) of the policy.
        claims: Spanned<Claims> = optional("any token, or none");
        /// Members that what the plugin is sent must not have, at any depth: with one of them the
        /// message does not match.
        without: Spanned<OneOrMore<MemberName>> = optional("any member may be there");
        /// Where the plugin may send media, as `rtp_forward` has it: each member `host` must be one
        /// of these, and there must be one. Not together with `host_claim`.
        hosts: Spanned<OneOrMore<MediaHost>> = optional("any host, or none");
        /// The claim of the token that has these hosts, one or a list.
        host_claim: Spanned<ClaimName> = optional("any host, or none");
    }
    also {
        place: Place = |table| table.place().clone();
    }
}
