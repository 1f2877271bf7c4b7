/** Says in a sentence what keeps the page from starting, where it would stay blank. As old as JavaScript can be: it has to run where the rest does not. */
/* global document, window */
(function () {
  'use strict';
  function say(what) {
    if (!document.body) {
      document.addEventListener('DOMContentLoaded', function () {
        say(what);
      });
      return;
    }
    if (document.documentElement.hasAttribute('data-started') || document.getElementById('not-started')) return;
    var place = document.createElement('p');
    place.id = 'not-started';
    place.setAttribute('role', 'alert');
    place.style.cssText = 'font: 1.1rem/1.5 sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem';
    place.textContent = 'The playground could not start: ' + what;
    document.body.appendChild(place);
  }
  window.addEventListener(
    'error',
    function (event) {
      var source = event.target && event.target.tagName === 'SCRIPT' ? event.target.src : '';
      if (source)
        say('a part of it, ' + source + ', could not be loaded. Load the page again when the network is back.');
      else if (event.message)
        say(event.message + '. Load the page again, or use a current Chrome, Edge, Firefox or Safari.');
    },
    true,
  );
  window.addEventListener('unhandledrejection', function (event) {
    say(String((event.reason && event.reason.message) || event.reason) + '. Load the page again.');
  });
  if (!('noModule' in document.createElement('script'))) {
    say('this browser is too old for it. Use a current Chrome, Edge, Firefox or Safari.');
  }
})();
