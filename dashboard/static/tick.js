// A clock that goes on in a tab that is not seen, where timers of the page itself are slowed down.
setInterval(() => postMessage(0), 40);
