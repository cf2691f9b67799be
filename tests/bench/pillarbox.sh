#!/bin/sh
# Pillarbox as the server under test of a load generator: everything lives under one directory, on loopback ports.
#
#   DIR=/some/dir PORTS=21000 tests/bench/pillarbox.sh setup|start|stop|target
#
# setup   wipes DIR, makes a domain and 100 accounts (user1@bench.test with password secret1, and so on)
# start   starts the release build in the background; stop ends it in order
# target  prints the description that the load generator reads
set -eu
DIR=${DIR:?the directory for everything}
PORTS=${PORTS:-21000}
USERS=${USERS:-100}
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
PROGRAM=${PROGRAM:-$ROOT/target/release/pillarbox}
port() { echo $((PORTS + $1)); }

case ${1:-} in
    setup)
        rm -rf "$DIR"
        mkdir -p "$DIR"
        "$PROGRAM" --data "$DIR/data" domain add bench.test
        n=1
        while [ "$n" -le "$USERS" ]; do
            echo "secret$n" | "$PROGRAM" --data "$DIR/data" account add "user$n@bench.test" --password-stdin > /dev/null
            n=$((n + 1))
        done
        # What a load test must lift: everything comes from one address, with one account logging in many times.
        cat > "$DIR/bench.toml" <<TOML
host_name = "mail.bench.test"
login_throttle = false
plain_login_on_loopback = true
connections_per_address_max = 1100
TOML
        ;;
    start)
        setsid "$PROGRAM" --data "$DIR/data" serve --config "$DIR/bench.toml" \
            --listen smtp=127.0.0.1:"$(port 25)" --listen submission=127.0.0.1:"$(port 587)" \
            --listen imap=127.0.0.1:"$(port 143)" --listen imaps=127.0.0.1:"$(port 993)" \
            --listen pop3=127.0.0.1:"$(port 110)" --listen pop3s=127.0.0.1:"$(port 995)" \
            > "$DIR/serve.out" 2> "$DIR/serve.log" < /dev/null &
        echo $! > "$DIR/server.pid"
        ;;
    stop)
        [ -s "$DIR/server.pid" ] || exit 0
        pid=$(cat "$DIR/server.pid")
        kill "$pid" 2> /dev/null || true
        while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
        rm -f "$DIR/server.pid"
        ;;
    target)
        cat <<TOML
name = "pillarbox"
host = "127.0.0.1"
smtp_port = $(port 25)
imap_port = $(port 143)
imaps_port = $(port 993)
pop3_port = $(port 110)
pop3s_port = $(port 995)
pid_files = ["$DIR/server.pid"]
data_dirs = ["$DIR"]
start_cmd = "DIR=$DIR PORTS=$PORTS PROGRAM=$PROGRAM sh $ROOT/tests/bench/pillarbox.sh start"
stop_cmd = "DIR=$DIR PORTS=$PORTS PROGRAM=$PROGRAM sh $ROOT/tests/bench/pillarbox.sh stop"

[submission]
port = $(port 587)
tls = "starttls"
auth = true

[account_pattern]
login = "user{n}@bench.test"
password = "secret{n}"
address = "user{n}@bench.test"
count = $USERS
TOML
        ;;
    *) sed -n '2,9p' "$0"; exit 2 ;;
esac
