//! The methods, types and operations of KMS 7. From its sources and interface definitions.

use std::borrow::Cow;

/// The id of the object that lists all others.
pub(super) const SERVER_MANAGER: &str = "manager_ServerManager";

/// A method of the gateway's own, which KMS does not have: a client renews its token by it.
pub(super) const RENEW: &str = "ianitor.renew";

/// The methods, each with the members that its `params` need.
pub const METHODS: [(&str, &[&str]); 13] = [
    ("ping", &[]),
    ("connect", &[]),
    ("create", &["type"]),
    ("invoke", &["object", "operation"]),
    ("subscribe", &["object", "type"]),
    ("unsubscribe", &["object", "subscription"]),
    ("release", &["object"]),
    ("describe", &["object"]),
    ("ref", &["object"]),
    ("unref", &["object"]),
    ("keepAlive", &[]),
    ("transaction", &["operations"]),
    ("closeSession", &[]),
];

/// The members that KMS reads in the `params` of a request with this method.
pub fn members(method: &str) -> &'static [&'static str] {
    match method {
        "ping" => &["sessionId", "interval"],
        "create" => &["sessionId", "type", "constructorParams", "properties"],
        "invoke" => &["sessionId", "object", "operation", "operationParams"],
        "subscribe" => &["sessionId", "object", "type"],
        "unsubscribe" => &["sessionId", "object", "subscription"],
        "release" | "describe" | "ref" | "unref" => &["sessionId", "object"],
        "transaction" => &["sessionId", "operations"],
        "closeSession" => &["sessionId", "release"],
        _ => &["sessionId"],
    }
}

/// The types of the modules that KMS always has.
pub const TYPES: [&str; 18] = [
    "ServerManager",
    "MediaPipeline",
    "HubPort",
    "PassThrough",
    "WebRtcEndpoint",
    "RtpEndpoint",
    "PlayerEndpoint",
    "RecorderEndpoint",
    "HttpPostEndpoint",
    "Composite",
    "AlphaBlending",
    "Dispatcher",
    "DispatcherOneToMany",
    "Mixer",
    "FaceOverlayFilter",
    "ImageOverlayFilter",
    "ZBarFilter",
    "GStreamerFilter",
];

/// What several types have in common. No object has one of these.
pub const ABSTRACT_TYPES: [&str; 11] = [
    "MediaObject",
    "MediaElement",
    "Endpoint",
    "UriEndpoint",
    "SessionEndpoint",
    "SdpEndpoint",
    "BaseRtpEndpoint",
    "HttpEndpoint",
    "Hub",
    "Filter",
    "OpenCVFilter",
];

/// The events of these types.
pub const EVENTS: &[&str] = &[
    // Of all objects.
    "Error",
    // Of elements and pipelines.
    "ElementConnected",
    "ElementDisconnected",
    "MediaFlowInStateChanged",
    "MediaFlowOutStateChanged",
    "MediaTranscodingStateChanged",
    // Of endpoints with an SDP.
    "MediaStateChanged",
    "ConnectionStateChanged",
    "MediaSessionStarted",
    "MediaSessionTerminated",
    // Of WebRtcEndpoint.
    "IceCandidateFound",
    "IceGatheringDone",
    "IceComponentStateChanged",
    "NewCandidatePairSelected",
    "DataChannelOpened",
    "DataChannelClosed",
    // Of endpoints with a URI.
    "EndOfStream",
    "UriEndpointStateChanged",
    "Recording",
    "Paused",
    "Stopped",
    // Of filters.
    "CodeFound",
    // Of the server.
    "ObjectCreated",
    "ObjectDestroyed",
];

/// The operations of these types.
pub const OPERATIONS: &[&str] = &[
    // Of all objects.
    "getMediaPipeline",
    "getParent",
    "getId",
    "getChilds",
    "getChildren",
    "getName",
    "setName",
    "getSendTagsInEvents",
    "setSendTagsInEvents",
    "getCreationTime",
    "addTag",
    "removeTag",
    "getTag",
    "getTags",
    // Of elements and pipelines.
    "connect",
    "disconnect",
    "getSourceConnections",
    "getSinkConnections",
    "setAudioFormat",
    "setVideoFormat",
    "getGstreamerDot",
    "setOutputBitrate",
    "getStats",
    "isMediaFlowingIn",
    "isMediaFlowingOut",
    "isMediaTranscoding",
    "getMinOuputBitrate",
    "setMinOuputBitrate",
    "getMinOutputBitrate",
    "setMinOutputBitrate",
    "getMaxOuputBitrate",
    "setMaxOuputBitrate",
    "getMaxOutputBitrate",
    "setMaxOutputBitrate",
    "getLatencyStats",
    "setLatencyStats",
    // Of endpoints with an SDP.
    "generateOffer",
    "processOffer",
    "processAnswer",
    "getLocalSessionDescriptor",
    "getRemoteSessionDescriptor",
    "getMaxAudioRecvBandwidth",
    "setMaxAudioRecvBandwidth",
    "getMaxVideoRecvBandwidth",
    "setMaxVideoRecvBandwidth",
    "getMinVideoRecvBandwidth",
    "setMinVideoRecvBandwidth",
    "getMinVideoSendBandwidth",
    "setMinVideoSendBandwidth",
    "getMaxVideoSendBandwidth",
    "setMaxVideoSendBandwidth",
    "getMediaState",
    "getConnectionState",
    "getMtu",
    "setMtu",
    "getRembParams",
    "setRembParams",
    // Of WebRtcEndpoint.
    "gatherCandidates",
    "addIceCandidate",
    "createDataChannel",
    "closeDataChannel",
    "getICECandidatePairs",
    "getIceConnectionState",
    "getIceTcp",
    "setIceTcp",
    "getNetworkInterfaces",
    "setNetworkInterfaces",
    "getExternalAddress",
    "setExternalAddress",
    "getExternalIPv4",
    "setExternalIPv4",
    "getExternalIPv6",
    "setExternalIPv6",
    "getStunServerAddress",
    "setStunServerAddress",
    "getStunServerPort",
    "setStunServerPort",
    "getTurnUrl",
    "setTurnUrl",
    // Of endpoints with a URI.
    "getUri",
    "getUrl",
    "getState",
    "play",
    "pause",
    "stop",
    "stopAndWait",
    "record",
    "getPosition",
    "setPosition",
    "getVideoInfo",
    "getElementGstreamerDot",
    // Of hubs.
    "setMaster",
    "setPortProperties",
    "setSource",
    "removeSource",
    // Of filters.
    "addImage",
    "removeImage",
    "setOverlayedImage",
    "unsetOverlayedImage",
    "setElementProperty",
    "getCommand",
    "getFilterType",
    // Of the server.
    "getInfo",
    "getMetadata",
    "getKmd",
    "getCpuCount",
    "getUsedCpu",
    "getUsedMemory",
    "getPipelines",
    "getSessions",
];

/// The members that a method needs, if it is one.
pub(super) fn needs(method: &str) -> Option<&'static [&'static str]> {
    let mut methods = METHODS.iter();
    let found = methods.find(|(name, _)| *name == method);
    found.map(|(_, needs)| *needs)
}

/// The type in the id of an object, without its module.
pub(super) fn type_in_id(id: &str) -> &str {
    if id == SERVER_MANAGER {
        return "ServerManager";
    }
    let last = id.rsplit('/').next().unwrap_or_default();
    let qualified = last
        .split_once('_')
        .map_or(last, |(_, qualified)| qualified);
    qualified.rsplit('.').next().unwrap_or_default()
}

/// The type that `create` names, without the module that KMS always has.
pub(super) fn type_in_create(name: &str) -> &str {
    name.strip_prefix("kurento.").unwrap_or(name)
}

/// The same part of each text, which stays borrowed if the text is.
pub(super) fn part<'m>(text: Cow<'m, str>, of: fn(&str) -> &str) -> Cow<'m, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(of(text)),
        Cow::Owned(text) => Cow::Owned(of(&text).to_owned()),
    }
}
