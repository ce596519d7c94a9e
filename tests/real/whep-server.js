// node whep-server.js PORT JANUS_WEBSOCKET
//
// janus-whep-server below /whep on 127.0.0.1. POST /endpoint?id=ID&room=ROOM makes an
// endpoint of the only one who publishes in a room, GET /participants?room=ROOM lists them.
import { register } from 'node:module';

register('./without-unix-dgram.js', import.meta.url);
const { default: express } = await import('express');
const { default: Janode } = await import('janode');
const { default: VideoRoom } = await import('janode/plugins/videoroom');
const { JanusWhepServer } = await import('janus-whep-server');

const [port, websocket] = process.argv.slice(2).map(Number);
const address = `ws://127.0.0.1:${websocket}`;

const connection = await Janode.connect({ is_admin: false, address: { url: address } });
const handle = await (await connection.create()).attach(VideoRoom);
const participants = async ({ query }) => {
  const { participants } = await handle.listParticipants({ room: Number(query.room) });
  return participants;
};

const app = express();
const server = new JanusWhepServer({ janus: { address }, rest: { app, basePath: '/whep' } });
await server.start();
app.get('/participants', async (request, response) => response.json(await participants(request)));
app.post('/endpoint', async (request, response) => {
  const [{ feed }] = await participants(request);
  const { id, room } = request.query;
  server.createEndpoint({ id, plugin: 'videoroom', room: Number(room), feed });
  response.sendStatus(204);
});
app.listen(port, '127.0.0.1');
