# shellcheck shell=bash
# Part of deploy/dev/services, which sources it and sets the variables in capitals.
#
# RabbitMQ: its node, its start and its end.
#
# Functions that are called by a composed name look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2153

#
# DIR/rabbitmq        home directory: cookie, configuration, data
# DIR/rabbitmq.ports  four ports: AMQP, HTTP API, Erlang distribution, epmd
# DIR/rabbitmq.pid    the Erlang VM
# DIR/epmd.pid        Erlang's port mapper, by which rabbitmqctl finds the node.
#                     A private one: the usual one is shared by the machine.
# DIR/rabbitmq.log

amqp_url() {
    printf 'amqp://guest:guest@127.0.0.1:%s/%%2f\n' "$1"
}

# See given_database_url.
given_amqp_url() {
    local amqp rest
    [[ -n ${AMQP_URL:-} ]] || return 1
    if [[ -f $DIR/rabbitmq.ports ]]; then
        read -r amqp rest <"$DIR/rabbitmq.ports"
        [[ $AMQP_URL != "$(amqp_url "$amqp")" ]] || return 1
    fi
    printf '%s\n' "$AMQP_URL"
}

# exec_erlang_program PORTS MARK COMMAND...: runs a program with the private
# node's settings and nothing else from the environment. Replaces the shell.
# MARK finds the program's processes again, see rabbitmq_processes.
exec_erlang_program() {
    local home=$DIR/rabbitmq node distribution epmd
    node=$(node_name)
    read -r _ _ distribution epmd <<<"$1"
    local variables=(
        PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin"
        LC_ALL=C.UTF-8
        HOME="$home"
        JOBALERTS_DEV_SERVER="$2:$(servers_name)"

        ERL_EPMD_PORT="$epmd"
        ERL_EPMD_ADDRESS=127.0.0.1
        # For every Erlang VM: RabbitMQ starts others besides its own.
        ERL_FLAGS='-kernel inet_dist_use_interface {127,0,0,1}'
        # No DNS: the machine's name need not resolve.
        ERL_INETRC="$home/inetrc"
        ERL_CRASH_DUMP_SECONDS=0

        RABBITMQ_NODENAME="$node"
        # RabbitMQ would check that this port is free by listening on it on all
        # addresses for a moment. It does not if Erlang's distribution is up
        # already when it starts. -start_epmd: ours is running.
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-sname $node -start_epmd false \
            -kernel inet_dist_listen_min $distribution inet_dist_listen_max $distribution"
        RABBITMQ_DIST_PORT="$distribution"
        # The default range has room for 11 calls at a time on the machine.
        RABBITMQ_CTL_DIST_PORT_MIN=30000
        RABBITMQ_CTL_DIST_PORT_MAX=30999

        # Nothing of this may come from /etc/rabbitmq or /var.
        RABBITMQ_CONF_ENV_FILE=/dev/null
        RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf"
        RABBITMQ_CONFIG_FILES="$home/conf.d"
        RABBITMQ_ADVANCED_CONFIG_FILE="$home/advanced.config"
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins"
        RABBITMQ_MNESIA_BASE="$home/data"
        RABBITMQ_LOG_BASE="$home"
        RABBITMQ_LOGS=-
        RABBITMQ_PID_FILE="$home/node.pid"
        # Makes the start script replace itself with the Erlang VM instead of
        # waiting for it, so that the pid is the VM's.
        RUNNING_UNDER_SYSTEMD=true
    )
    shift 2
    exec env -i --default-signal "${variables[@]}" "$@"
}

# Prints the pids of the node's processes: the Erlang VM and its helpers.
rabbitmq_processes() {
    { grep -lsxzF -- "JOBALERTS_DEV_SERVER=rabbitmq:$(servers_name)" /proc/[0-9]*/environ || true; } |
        pids_of_files
}

# configure_rabbitmq PORTS
configure_rabbitmq() {
    local home=$DIR/rabbitmq amqp management
    read -r amqp management _ <<<"$1"
    mkdir -p -- "$home/conf.d" "$home/data"
    if [[ ! -f $home/.erlang.cookie ]]; then
        (umask 377 && head -c 24 /dev/urandom | base64 | tr -d '/+=\n' >"$home/.erlang.cookie")
    fi
    cat >"$home/inetrc" <<EOF
{lookup, [file]}.
{host, {127,0,0,1}, ["localhost"]}.
EOF
    cat >"$home/rabbitmq.conf" <<EOF
listeners.tcp.local = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $management
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
EOF
    printf '[].\n' >"$home/advanced.config"
    printf '[rabbitmq_management].\n' >"$home/enabled_plugins"
}

# launch_epmd PORTS
launch_epmd() {
    local port epmd pid deadline=$((SECONDS + START_TIMEOUT))
    read -r _ _ _ port <<<"$1"
    if ! epmd=$(type -P epmd); then
        say "Erlang's port mapper, epmd, is not in PATH; it comes with Erlang"
        return 1
    fi
    exec_erlang_program "$1" epmd env -C / setsid "$epmd" -port "$port" -address 127.0.0.1 \
        </dev/null >>"$DIR/rabbitmq.log" 2>&1 {LOCK}>&- &
    pid=$!
    record_process "$DIR/epmd.pid" "$pid"
    until process_listens_on "$pid" "$port"; do
        if ! recorded_pid "$DIR/epmd.pid" >/dev/null; then
            rm -f -- "$DIR/epmd.pid"
            # What it says then differs between versions. It has no other
            # reason to end.
            return "$PORT_TAKEN"
        fi
        if ((SECONDS >= deadline)); then
            say "Erlang's port mapper ($epmd) is not ready after $START_TIMEOUT s"
            return 1
        fi
        sleep 0.05
    done
}

# Whether the port answers the client's protocol header with a method frame.
amqp_answers() (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
    printf 'AMQP\x00\x00\x09\x01' >&3
    IFS= read -r -t 5 -N 1 byte <&3 && [[ $byte == $'\x01' ]]
) 2>/dev/null

# Whether the HTTP API lets the user guest in.
management_answers() (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
    printf 'GET /api/vhosts HTTP/1.0\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n' >&3
    IFS= read -r -t 5 line <&3 && [[ $line == 'HTTP/1.'?' 200 '* ]]
) 2>/dev/null

# launch_rabbitmq BIN PORTS
launch_rabbitmq() {
    local bin=$1 ports=$2 log=$DIR/rabbitmq.log amqp management size pid
    local deadline=$((SECONDS + START_TIMEOUT))
    read -r amqp management _ <<<"$ports"
    configure_rabbitmq "$ports" || return 1
    printf '%s\n' "$ports" >"$DIR/rabbitmq.ports"
    # Helpers of a killed node, which have not noticed yet.
    end_leftovers RabbitMQ rabbitmq_processes
    # A member of a cluster uses that of the first node.
    if [[ ! -f $DIR/rabbitmq.node ]] && ! recorded_pid "$DIR/epmd.pid" >/dev/null; then
        launch_epmd "$ports" || return "$?"
    fi
    size=$(log_size "$log")
    exec_erlang_program "$ports" rabbitmq env -C "$DIR/rabbitmq" setsid "$bin/rabbitmq-server" \
        </dev/null >>"$log" 2>&1 {LOCK}>&- &
    pid=$!
    record_process "$DIR/rabbitmq.pid" "$pid"

    until process_listens_on "$pid" "$amqp" && process_listens_on "$pid" "$management" &&
        amqp_answers "$amqp" && management_answers "$management"; do
        [[ -z $INTERRUPTED ]] || return 1
        if ! recorded_pid "$DIR/rabbitmq.pid" >/dev/null; then
            rm -f -- "$DIR/rabbitmq.pid"
            ! port_was_taken "$log" "$size" || return "$PORT_TAKEN"
            launch_failed RabbitMQ "$log" "$size" 'ended while starting'
            return 1
        fi
        if ((SECONDS >= deadline)); then
            launch_failed RabbitMQ "$log" "$size" "is not ready after $START_TIMEOUT s"
            return 1
        fi
        sleep 0.1
    done
}

# start_rabbitmq BIN [EPMD]: on its former ports if they are free, else on new ones; with the port mapper at EPMD, if
# that is another node's.
start_rabbitmq() {
    local bin=$1 ports='' attempt status
    if [[ -f $DIR/rabbitmq.ports ]]; then
        ports=$(<"$DIR/rabbitmq.ports")
    fi
    # One left over from a failed start is of no use if the ports change.
    stop_process epmd "$DIR/epmd.pid" TERM KILL || return 1
    for ((attempt = 0; attempt < BIND_ATTEMPTS; attempt++)); do
        [[ -z $INTERRUPTED ]] || return 1
        # shellcheck disable=SC2086 # one port per word
        if [[ -z $ports ]] || ! ports_are_free $ports; then
            ports=$(pick_ports 4)
            [[ -z ${2:-} ]] || ports="${ports% *} $2"
        fi
        status=0
        launch_rabbitmq "$bin" "$ports" || status=$?
        ((status == PORT_TAKEN)) || return "$status"
        stop_rabbitmq || return 1
        ports=''
    done
    say "RabbitMQ found no free ports in $BIND_ATTEMPTS attempts; see $DIR/rabbitmq.log"
    return 1
}

# Stops the node; epmd stays for its next start.
stop_rabbitmq_node() {
    stop_process RabbitMQ "$DIR/rabbitmq.pid" "$@" || return 1
    end_leftovers RabbitMQ rabbitmq_processes
}

# A clean end takes RabbitMQ before 4.0 about 6 s: for 5 of them, its management
# plugin waits in vain for a process that waits for the plugin.
stop_rabbitmq() {
    local signals=(TERM KILL)
    [[ -f $DIR/rabbitmq.ports ]] || return 0
    [[ -z $DISCARD ]] || signals=(KILL)
    stop_rabbitmq_node "${signals[@]}" || return 1
    stop_process epmd "$DIR/epmd.pid" TERM KILL
}
