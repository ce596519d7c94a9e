//! The tables for Kurento.

use super::tables::ROW;
use super::{Preset, Row, Verbs};
use crate::signalling::Protocol;
use crate::signalling::rules::Objects;

/// Types whose objects stay within the media server, but for the URIs that they are given.
const TYPES: &str = "MediaPipeline HubPort PassThrough WebRtcEndpoint PlayerEndpoint \
                     RecorderEndpoint HttpPostEndpoint Composite AlphaBlending Dispatcher \
                     DispatcherOneToMany Mixer FaceOverlayFilter ImageOverlayFilter ZBarFilter";
/// The same, and the endpoint whose SDP says where media goes.
const TYPES_WITH_RTP: &str = "MediaPipeline HubPort PassThrough WebRtcEndpoint PlayerEndpoint \
                              RecorderEndpoint HttpPostEndpoint Composite AlphaBlending \
                              Dispatcher DispatcherOneToMany Mixer FaceOverlayFilter \
                              ImageOverlayFilter ZBarFilter RtpEndpoint";
const ALL_TYPES: &str = "ServerManager MediaPipeline HubPort PassThrough WebRtcEndpoint \
                         PlayerEndpoint RecorderEndpoint HttpPostEndpoint Composite \
                         AlphaBlending Dispatcher DispatcherOneToMany Mixer FaceOverlayFilter \
                         ImageOverlayFilter ZBarFilter RtpEndpoint GStreamerFilter";

/// Members by which a client would run a pipeline of GStreamer, choose the network of the media
/// host, or have it contact a server.
const NOT_OF_APPS: &[&str] = &[
    "command",
    "networkInterfaces",
    "externalAddress",
    "externalIPv4",
    "externalIPv6",
    "stunServerAddress",
    "stunServerPort",
    "turnUrl",
];

const OF_SESSIONS: Row = Row {
    verbs: Verbs::These("ping connect keepAlive closeSession transaction"),
    ..ROW
};

const APP: &[Row] = &[
    OF_SESSIONS,
    Row {
        verbs: Verbs::These("create"),
        plugins: TYPES,
        without: NOT_OF_APPS,
        uris: true,
        ..ROW
    },
    Row {
        verbs: Verbs::These("create"),
        plugins: "RtpEndpoint",
        claim: Some("rtp_endpoint"),
        without: NOT_OF_APPS,
        uris: true,
        ..ROW
    },
    Row {
        verbs: Verbs::These("release describe ref unref subscribe unsubscribe"),
        plugins: TYPES_WITH_RTP,
        ..ROW
    },
    Row {
        verbs: Verbs::These("invoke"),
        plugins: TYPES_WITH_RTP,
        requests: "getMediaPipeline getParent getId getChilds getChildren getName setName \
                   getSendTagsInEvents setSendTagsInEvents getCreationTime addTag removeTag \
                   getTag getTags connect disconnect getSourceConnections getSinkConnections \
                   setAudioFormat setVideoFormat setOutputBitrate getStats isMediaFlowingIn \
                   isMediaFlowingOut isMediaTranscoding getMinOuputBitrate setMinOuputBitrate \
                   getMinOutputBitrate setMinOutputBitrate getMaxOuputBitrate \
                   setMaxOuputBitrate getMaxOutputBitrate setMaxOutputBitrate getLatencyStats \
                   setLatencyStats generateOffer processOffer processAnswer \
                   getLocalSessionDescriptor getRemoteSessionDescriptor \
                   getMaxAudioRecvBandwidth setMaxAudioRecvBandwidth getMaxVideoRecvBandwidth \
                   setMaxVideoRecvBandwidth getMinVideoRecvBandwidth setMinVideoRecvBandwidth \
                   getMinVideoSendBandwidth setMinVideoSendBandwidth getMaxVideoSendBandwidth \
                   setMaxVideoSendBandwidth getMediaState getConnectionState getMtu setMtu \
                   getRembParams setRembParams gatherCandidates addIceCandidate \
                   createDataChannel closeDataChannel getICECandidatePairs \
                   getIceConnectionState getUri getUrl getState play pause stop stopAndWait \
                   record getPosition setPosition getVideoInfo setMaster setPortProperties \
                   setSource removeSource addImage removeImage setOverlayedImage \
                   unsetOverlayedImage",
        without: NOT_OF_APPS,
        uris: true,
        ..ROW
    },
    Row {
        verbs: Verbs::These("describe"),
        plugins: "ServerManager",
        ..ROW
    },
    Row {
        verbs: Verbs::These("invoke"),
        plugins: "ServerManager",
        requests: "getInfo",
        ..ROW
    },
];

const READ_SERVER: Row = Row {
    verbs: Verbs::These("invoke"),
    plugins: "ServerManager",
    requests: "getInfo getMetadata getKmd getCpuCount getUsedCpu getUsedMemory getId getName \
               getCreationTime",
    ..ROW
};

const OPERATOR: &[Row] = &[
    OF_SESSIONS,
    READ_SERVER,
    Row {
        requests: "getPipelines getSessions getChildren getChilds",
        ..READ_SERVER
    },
    Row {
        verbs: Verbs::These("subscribe unsubscribe"),
        plugins: "ServerManager",
        ..ROW
    },
    Row {
        verbs: Verbs::These("describe"),
        plugins: ALL_TYPES,
        objects: Objects::Any,
        ..ROW
    },
    Row {
        verbs: Verbs::These("release unref"),
        plugins: "MediaPipeline HubPort PassThrough WebRtcEndpoint PlayerEndpoint \
                  RecorderEndpoint HttpPostEndpoint Composite AlphaBlending Dispatcher \
                  DispatcherOneToMany Mixer FaceOverlayFilter ImageOverlayFilter ZBarFilter \
                  RtpEndpoint GStreamerFilter",
        objects: Objects::Any,
        ..ROW
    },
    Row {
        verbs: Verbs::These("invoke"),
        plugins: ALL_TYPES,
        requests: "getMediaPipeline getParent getId getChilds getChildren getName \
                   getCreationTime getTag getTags getSourceConnections getSinkConnections \
                   getStats getGstreamerDot getElementGstreamerDot isMediaFlowingIn \
                   isMediaFlowingOut isMediaTranscoding getLatencyStats getMediaState \
                   getConnectionState getIceConnectionState getState getVideoInfo",
        objects: Objects::Any,
        ..ROW
    },
];

const OBSERVE: &[Row] = &[
    Row {
        verbs: Verbs::These("ping connect keepAlive closeSession"),
        ..ROW
    },
    READ_SERVER,
    Row {
        verbs: Verbs::These("describe"),
        plugins: "ServerManager",
        ..ROW
    },
];

/// The presets for Kurento.
pub(super) const KURENTO: &[Preset] = &[
    Preset {
        name: "kurento-app",
        protocol: Protocol::Kurento,
        about: "Creates pipelines and uses its own objects, without files and other hosts.",
        rows: APP,
    },
    Preset {
        name: "kurento-operator",
        protocol: Protocol::Kurento,
        about: "Lists, describes and releases the objects of all clients.",
        rows: OPERATOR,
    },
    Preset {
        name: "kurento-observe",
        protocol: Protocol::Kurento,
        about: "Reads the state of the server, without anybody's objects.",
        rows: OBSERVE,
    },
];
