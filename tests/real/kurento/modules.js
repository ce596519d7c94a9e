// The types and operations of Kurento's modules that the stand-in has.
export const MANAGER = 'manager_ServerManager';
const MODULES = ['core', 'elements', 'filters'];

const HUBS = ['Composite', 'Dispatcher', 'DispatcherOneToMany', 'AlphaBlending', 'Mixer'];

// What an object of a type is made in, as a name of its constructor's parameters.
export const PARENTS = new Map([
  ['MediaPipeline', null],
  ['HubPort', 'hub'],
  ...[
    'WebRtcEndpoint', 'RtpEndpoint', 'PlayerEndpoint', 'RecorderEndpoint', 'HttpPostEndpoint',
    'PassThrough', 'FaceOverlayFilter', 'ImageOverlayFilter', 'ZBarFilter', 'GStreamerFilter',
    ...HUBS,
  ].map((type) => [type, 'mediaPipeline']),
]);

// Constructors that need a URI.
export const NEED_URI = ['PlayerEndpoint', 'RecorderEndpoint'];

let offers = 0;

function sdp() {
  offers += 1;
  return ['v=0', `o=- ${offers} ${offers} IN IP4 127.0.0.1`, 's=Kurento Media Server', 'c=IN IP4 127.0.0.1', 't=0 0',
    'm=video 1 UDP/TLS/RTP/SAVPF 96', 'a=rtpmap:96 VP8/90000', 'a=setup:actpass', 'a=mid:video0', ''].join('\r\n');
}

const none = () => undefined;

const OF_OBJECTS = {
  getId: ({ object }) => object.id,
  getName: ({ object }) => object.name,
  setName: ({ object, params }) => { object.name = params.name; },
  getCreationTime: ({ object }) => object.created,
  getParent: ({ object }) => object.parent,
  getMediaPipeline: ({ object }) => object.id.split('/')[0],
  getChildren: ({ object, kms }) => kms.childrenOf(object.id),
  getChilds: ({ object, kms }) => kms.childrenOf(object.id),
  addTag: ({ object, params }) => { object.tags.set(params.key, params.value); },
  getTag: ({ object, params }) => object.tags.get(params.key),
  getTags: ({ object }) => [...object.tags].map(([key, value]) => ({ key, value })),
};

const OF_MANAGER = {
  getInfo: () => ({
    version: '7.3.0',
    modules: MODULES.map((name) => ({ name, version: '7.3.0', generationTime: '', factories: [] })),
    type: 'KMS',
    capabilities: ['transactions'],
  }),
  getPipelines: ({ kms }) => kms.pipelines(),
  getSessions: ({ kms }) => [...kms.sessions.keys()],
  getMetadata: () => '',
  getKmd: ({ params }) => JSON.stringify({ name: params.moduleName }),
  getCpuCount: () => 2,
  getUsedCpu: () => 1.5,
  getUsedMemory: () => 100_000,
};

const OF_ELEMENTS = {
  connect({ object, params, kms }) {
    kms.object(params.sink);
    object.sinks.add(params.sink);
    kms.emit(object.id, 'ElementConnected', { sink: params.sink, mediaType: params.mediaType ?? 'VIDEO' });
  },
  disconnect({ object, params }) { object.sinks.delete(params.sink); },
  getSinkConnections: ({ object }) => [...object.sinks].map((sink) => ({ source: object.id, sink })),
  getSourceConnections: none,
  getStats: () => ({}),
  isMediaFlowingIn: () => false,
  getGstreamerDot: () => 'digraph {}',
  generateOffer: sdp,
  processOffer: sdp,
  processAnswer: sdp,
  gatherCandidates: ({ object, kms }) => { kms.emit(object.id, 'IceGatheringDone'); },
  addIceCandidate: none,
  getConnectionState: () => 'DISCONNECTED',
  getUri: ({ object }) => object.uri,
  getUrl: ({ object }) => object.uri,
  getState: () => 'STOP',
  play: ({ object, kms }) => { kms.emit(object.id, 'EndOfStream'); },
  record: none,
  pause: none,
  stop: none,
  stopAndWait: none,
  addImage: none,
  setOverlayedImage: none,
};

export function operationOf(type, name) {
  const own = type === 'ServerManager' ? OF_MANAGER : OF_ELEMENTS;
  return [own, OF_OBJECTS].find((operations) => Object.hasOwn(operations, name))?.[name];
}
