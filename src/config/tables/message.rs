//! `[[policies.NAME.rules]]`: rules for messages.

use super::section;
use crate::config::problem::{Place, Spanned};
use crate::config::values::{
    ClaimName, Claims, MediaHost, MemberName, MethodName, ObjectsWord, OneOrMore, OperationName,
    Parameters, PluginName, Ptype, RequestName, Room, RuleName, TypeName, Verb,
};
use crate::signalling::rules::Effect;
use crate::signalling::uri::UriPrefix;

section! {
    /// A rule for [messages](messages.md) of Janus or Kurento. The rules of a policy are tried in
    /// their order, before those of its presets; the first one whose conditions all hold decides,
    /// and a message that no rule allows is refused. A condition that is not written holds for
    /// everything that the gateway knows; what it does not know has to be named. A rule that could
    /// never decide is rejected.
    ///
    /// `verb`, `plugin`, `request`, `ptype`, `room`, `room_claims`, `hosts` and `host_claim` are
    /// about messages of Janus; `method`, `type`, `operation`, `object`, `uri` and `params` about
    /// those of Kurento. A rule has keys of one of the two; without any, it is for both.
    "[[policies.NAME.rules]]" => struct RawRule {
        /// What the rule is called in logs, metrics and explanations.
        name: Spanned<RuleName> = optional("`rules[0]` and so on, by its place");
        /// Whether messages that match pass or are refused.
        effect: Effect = required("missing; write effect = \"allow\" or \"deny\"");
        /// What a message of Janus is.
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
        /// Members that what the plugin is sent, or the `params` of Kurento, must not have, at any
        /// depth: with one of them the message does not match.
        without: Spanned<OneOrMore<MemberName>> = optional("any member may be there");
        /// Where the plugin may send media, as `rtp_forward` has it: each member `host` must be one
        /// of these, and there must be one. Not together with `host_claim`.
        hosts: Spanned<OneOrMore<MediaHost>> = optional("any host, or none");
        /// The claim of the token that has these hosts, one or a list.
        host_claim: Spanned<ClaimName> = optional("any host, or none");
        /// What a request to Kurento wants. The operations of a `transaction` are judged one by
        /// one, and the transaction itself by rules that have this method.
        method: Spanned<OneOrMore<MethodName>> = optional("any");
        /// The type of the object: of the one that `create` makes, or of the one that the request
        /// is about.
        r#type: Spanned<OneOrMore<TypeName>> = optional("any, or none");
        /// What `invoke` asks of the object, or the event of `subscribe`.
        operation: Spanned<OneOrMore<OperationName>> = optional("any, or none");
        /// Whose objects an `allow` is about: with `own`, those that the client has created, and
        /// what is below them; with `any`, those of all clients. A `deny` is about all.
        object: Spanned<ObjectsWord> = optional("`\"own\"`");
        /// What Kurento may be asked to open: all [URIs](messages.md#uris) in the request must be
        /// below one of these. A `deny` matches if one of them is.
        uri: Spanned<OneOrMore<UriPrefix>> = optional(
            "of an `allow`, those below `uris` of the policy; of a `deny`, any, or none"
        );
        /// What parameters of the request must be: names of members of its `params`, where `a.b` is
        /// a member of an object, with the values that they may have:
        /// `constructorParams.mediaProfile` of `create`, `operationParams.name` of `invoke`. A path
        /// whose first name no such request has is rejected. Texts, numbers and truths are
        /// different, and `"*"` is any value.
        params: Spanned<Parameters> = optional("any, or none");
    }
    also {
        place: Place = |table| table.place().clone();
    }
}
