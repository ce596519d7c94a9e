/* eslint-disable no-unused-vars */
var config = {
    hosts: {
        domain: 'meet.example.com',
        anonymousdomain: 'guest.meet.example.com', // for guests
        muc: 'conference.<!--# echo var="subdomain" default="" -->meet.example.com'
    },
    bosh: 'http://meet.example.com/http-bind',
    // websocket: 'ws://meet.example.com/xmpp-websocket',
    testing: { p2pTestMode: false },
    inviteLink: 'https://meet.example.com/room?jwt=eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJhdWQiOiAiaml0c2kiLCAiaXNzIjogIm15X2FwcCIsICJzdWIiOiAibWVldC5leGFtcGxlLmNvbSIsICJyb29tIjogIioiLCAiZXhwIjogOTg3NTM0OTYzNDU3Njh9.c2lnbmF0dXJl',
    resolution: 720,
};
