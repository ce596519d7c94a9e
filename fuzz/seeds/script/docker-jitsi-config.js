// Jitsi Meet configuration.
var config = {};
config.hosts = {};
config.hosts.domain = 'meet.jitsi';
var subdir = '<!--# echo var="subdir" default="" -->';
if (subdir.startsWith('<!--')) {
    subdir = '';
}
config.bosh = 'https://meet.example.com/' + subdir + 'http-bind';
config.websocket = 'ws://meet.example.com/xmpp-websocket';
config.resolution = 720;
