/* eslint-disable no-unused-vars */
var config = {
    hosts: {
        domain: 'meet.example.com',
        anonymousdomain: 'guest.meet.example.com', // for guests
        muc: 'conference.<!--# echo var="subdomain" default="" -->meet.example.com'
    },
    bosh: 'https://meet.example.com/http-bind',
    testing: { p2pTestMode: false },
    resolution: 720,
};
