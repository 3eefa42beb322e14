# shellcheck shell=bash
# Part of deploy/dev/services, which sources it and sets the variables in capitals.
#
# PostgreSQL: its data, its start and its end.
#
# Functions that are called by a composed name look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2153

#
# DIR/postgres       data directory, or a symbolic link to it
# DIR/postgres.port  its port; kept, so that the URL stays the same if possible
# DIR/postgres.pid   see record_process
# DIR/postgres.log

database_url() {
    printf 'postgres://jobalerts@127.0.0.1:%s/jobalerts\n' "$1"
}

# Prints the DATABASE_URL that somebody else gave. The environment may also hold
# the one of our own server, from DIR/env.
given_database_url() {
    [[ -n ${DATABASE_URL:-} ]] || return 1
    [[ ! -f $DIR/postgres.port ||
        $DATABASE_URL != "$(database_url "$(<"$DIR/postgres.port")")" ]] || return 1
    printf '%s\n' "$DATABASE_URL"
}

# Runs a PostgreSQL program: not as root, not with settings from the caller's
# environment, and without the signals that a shell ignores in background jobs.
# Replaces the shell, so that the pid of a background call is the program's.
exec_postgres_program() {
    local user=()
    if ((EUID == 0)); then
        user=(setpriv --reuid=postgres --regid=postgres --init-groups)
    fi
    cd /
    exec "${user[@]}" env -i --default-signal PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"
}

# Prints the pids of the server's processes. They carry the cluster's name in
# their title, which anybody may read. Their working directory would be proof as
# well, but even root may not read that in a container.
postgres_processes() {
    { grep -lsz -- "^postgres: jobalerts-$(servers_name): " /proc/[0-9]*/cmdline || true; } |
        pids_of_files
}

# remove_postgres_data PATH: the data directory, wherever it is.
remove_postgres_data() {
    if [[ -L $1 ]]; then
        rm -rf -- "$(readlink -- "$1")"
    fi
    rm -rf -- "$1"
}

# make_postgres_directory PATH: an empty directory that the server may use, or a
# symbolic link to one elsewhere if its user cannot get there.
make_postgres_directory() {
    local elsewhere
    mkdir -- "$1"
    ((EUID == 0)) || return 0
    chown postgres: -- "$1"
    if ! (exec_postgres_program test -w "$1"); then
        rmdir -- "$1"
        elsewhere=$(mktemp -d /var/tmp/jobalerts-postgres.XXXXXX)
        chown postgres: -- "$elsewhere"
        ln -s -- "$elsewhere" "$1"
        say "the user postgres cannot enter $DIR; its data is in $elsewhere until \`stop\`"
    fi
}

# create_postgres_data BIN: a new cluster with the database jobalerts. It is
# made under another name and then renamed, so that one half made is never used.
create_postgres_data() {
    local bin=$1 new=$DIR/postgres.new log=$DIR/postgres.log data
    remove_postgres_data "$new"
    make_postgres_directory "$new" || return 1
    data=$(readlink -f -- "$new")
    # Not synced to disk: if the machine fails now, there is nothing to lose.
    # Sessions of their own: Ctrl-C is this script's to handle.
    if ! (exec_postgres_program setsid "$bin/initdb" --pgdata="$data" --username=jobalerts \
        --auth=trust --encoding=UTF8 --no-sync) </dev/null >>"$log" 2>&1 ||
        ! (exec_postgres_program setsid "$bin/postgres" --single -D "$data" postgres) \
            <<<'CREATE DATABASE jobalerts' >>"$log" 2>&1; then
        say "cannot create the PostgreSQL data directory $data. The end of $log:"
        tail -n 25 -- "$log" | sed 's/^/    /' >&2
        remove_postgres_data "$new"
        return 1
    fi
    mv -T -- "$new" "$DIR/postgres"
}

# The server notes in its data directory that it accepts connections, which it
# does only when it has its port.
postgres_is_ready() {
    local lines
    { mapfile -t lines <"$1/postmaster.pid"; } 2>/dev/null || return 1
    [[ ${lines[0]:-} == "$2" && ${lines[7]:-} == ready* ]]
}

# Clears away what keeps a server from starting after its predecessor was
# killed: processes that have not noticed yet, and the lock file if it names a
# process that is gone. (PostgreSQL takes a zombie for a running process, and a
# container's init may collect zombies late or never.)
clear_after_postgres() {
    local lock=$1/postmaster.pid pid
    end_leftovers PostgreSQL postgres_processes
    if [[ -f $lock ]]; then
        read -r pid <"$lock" || return 0
        process_start "$pid" >/dev/null || rm -f -- "$lock"
    fi
}

# launch_postgres BIN PORT
launch_postgres() {
    local bin=$1 port=$2 log=$DIR/postgres.log data size pid options
    local deadline=$((SECONDS + START_TIMEOUT))
    data=$(readlink -f -- "$DIR/postgres")
    read -ra options <<<"${JOBALERTS_DEV_PG_OPTS:-}"
    size=$(log_size "$log")
    clear_after_postgres "$data"
    printf '%s\n' "$port" >"$DIR/postgres.port"

    # Its own session, so that Ctrl-C in the terminal does not reach the server.
    # No Unix socket: its path could get too long, and it would need a directory.
    exec_postgres_program setsid "$bin/postgres" -D "$data" \
        -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories='' \
        -c cluster_name="jobalerts-$(servers_name)" -c max_connections=300 \
        -c timezone=UTC -c log_timezone=UTC "${options[@]}" \
        </dev/null >>"$log" 2>&1 {LOCK}>&- &
    pid=$!
    record_process "$DIR/postgres.pid" "$pid"

    until postgres_is_ready "$data" "$pid"; do
        [[ -z $INTERRUPTED ]] || return 1
        if ! recorded_pid "$DIR/postgres.pid" >/dev/null; then
            rm -f -- "$DIR/postgres.pid"
            ! port_was_taken "$log" "$size" || return "$PORT_TAKEN"
            launch_failed PostgreSQL "$log" "$size" 'ended while starting'
            return 1
        fi
        if ((SECONDS >= deadline)); then
            launch_failed PostgreSQL "$log" "$size" "is not ready after $START_TIMEOUT s"
            return 1
        fi
        sleep 0.05
    done
}

# start_postgres BIN: on its former port if that is free, else on a new one.
start_postgres() {
    local bin=$1 port='' attempt status
    [[ -e $DIR/postgres ]] || create_postgres_data "$bin" || return 1
    if [[ -f $DIR/postgres.port ]]; then
        port=$(<"$DIR/postgres.port")
    fi
    for ((attempt = 0; attempt < BIND_ATTEMPTS; attempt++)); do
        [[ -z $INTERRUPTED ]] || return 1
        if [[ -z $port ]] || ! port_is_free "$port"; then
            port=$(pick_ports 1)
        fi
        status=0
        launch_postgres "$bin" "$port" || status=$?
        ((status == PORT_TAKEN)) || return "$status"
        port=''
    done
    say "PostgreSQL found no free port in $BIND_ATTEMPTS attempts; see $DIR/postgres.log"
    return 1
}

# Like a machine that fails: all processes at once.
kill_postgres() {
    local pids
    stop_process PostgreSQL "$DIR/postgres.pid" KILL || return 1
    if pids=$(postgres_processes) && [[ -n $pids ]]; then
        # shellcheck disable=SC2086 # one pid per word
        kill -KILL $pids 2>/dev/null || true
    fi
    end_leftovers PostgreSQL postgres_processes
}

# Fast shutdown, then immediate shutdown, then the kernel's.
stop_postgres() {
    local signals=(INT QUIT KILL)
    [[ -f $DIR/postgres.port ]] || return 0
    [[ -z $DISCARD ]] || signals=(QUIT KILL)
    stop_process PostgreSQL "$DIR/postgres.pid" "${signals[@]}" || return 1
    end_leftovers PostgreSQL postgres_processes
}
