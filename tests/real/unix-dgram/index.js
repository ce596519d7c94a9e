// janode imports unix-dgram for a transport that no test here uses; the real one
// is compiled on installation and wants Node's headers from the network.
exports.createSocket = () => {
  throw new Error('Unix datagram sockets are left out of the test clients');
};
