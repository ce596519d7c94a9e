// node --import ./show-frames.js SCRIPT
//
// Prints every message that reaches a WebSocket of the script.
import WebSocket from 'ws';

const { emit } = WebSocket.prototype;

WebSocket.prototype.emit = function emitShown(event, ...values) {
  if (event === 'message') console.log(`frame: ${values[0]}`);
  return emit.call(this, event, ...values);
};
