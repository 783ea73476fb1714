#!/bin/sh
# Say which browser the tests will drive; install Debian's chromium where apt is at hand and none is there.
set -eu
found() {
    [ -n "${TAILOR_BROWSER:-}" ] && { echo "$TAILOR_BROWSER"; return; }
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" && return
    done
    for path in "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
        [ -x "$path" ] && { echo "$path"; return; }
    done
    return 1
}
if ! browser=$(found); then
    if command -v apt-get >/dev/null 2>&1; then
        as_root=""
        [ "$(id -u)" = 0 ] || as_root="sudo"
        echo "Installing Debian's chromium for the browser tests."
        $as_root apt-get update -qq
        $as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null
        browser=$(found)
    else
        echo "No Chrome or Chromium was found. Install one, or set TAILOR_BROWSER to its path, then run this again." >&2
        exit 1
    fi
fi
echo "Browser tests use $browser"
