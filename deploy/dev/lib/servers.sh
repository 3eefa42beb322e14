# shellcheck shell=bash
# Part of deploy/dev/services, which sources it and sets the variables in capitals.
#
# Both servers together: in parallel, interruptible, and told in DIR/env.
#
# Functions that are called by a composed name look unreachable to shellcheck.
# shellcheck disable=SC2317

postgres_runs() {
    recorded_pid "$DIR/postgres.pid" >/dev/null
}

rabbitmq_runs() {
    recorded_pid "$DIR/rabbitmq.pid" >/dev/null
}

write_env() {
    local name value amqp management
    local -A exports=([JOBALERTS_DEV_DIR]=$DIR)
    exports[DATABASE_URL]=$(given_database_url || database_url "$(<"$DIR/postgres.port")")
    if exports[AMQP_URL]=$(given_amqp_url); then
        if [[ -n ${RABBITMQ_MANAGEMENT_URL:-} ]]; then
            exports[RABBITMQ_MANAGEMENT_URL]=$RABBITMQ_MANAGEMENT_URL
        fi
    else
        read -r amqp management _ <"$DIR/rabbitmq.ports"
        exports[AMQP_URL]=$(amqp_url "$amqp")
        exports[RABBITMQ_MANAGEMENT_URL]=http://guest:guest@127.0.0.1:$management
    fi
    for name in "${!exports[@]}"; do
        value=$(shell_quote "${exports[$name]}")
        printf 'export %s=%s\n' "$name" "$value"
    done | sort >"$DIR/env.new"
    mv -- "$DIR/env.new" "$DIR/env"
}

# Remembers the signal and passes it on to the children that wait for it.
on_signal() {
    INTERRUPTED=$1
    if ((${#BACKGROUND[@]})); then
        kill -s TERM "${BACKGROUND[@]}" 2>/dev/null || true
    fi
}

# in_background FUNCTION ARGUMENT...: runs one of the start functions. A signal
# makes it end at a point where the pid of what it started is on record.
in_background() {
    (
        trap 'INTERRUPTED=TERM' TERM
        trap '' INT HUP
        "$@"
    ) &
    BACKGROUND+=("$!")
}

exit_if_interrupted() {
    if [[ -n $INTERRUPTED ]]; then
        exit "$((128 + $(kill -l "$INTERRUPTED")))"
    fi
}

# Starts what is missing, both servers at the same time. Stops again what it
# started if one of them fails or a signal arrives.
start_services() {
    local packages=() failed='' child
    create_directory
    lock_directory
    if given_database_url >/dev/null; then
        say 'DATABASE_URL is set: using that PostgreSQL server, starting none'
    elif postgres_runs; then
        say "PostgreSQL is already running in $DIR"
    else
        packages+=(postgresql)
    fi
    if given_amqp_url >/dev/null; then
        say 'AMQP_URL is set: using that RabbitMQ server, starting none'
    elif rabbitmq_runs; then
        say "RabbitMQ is already running in $DIR"
    else
        packages+=(rabbitmq-server)
    fi
    ensure_installed "${packages[@]}"

    trap 'on_signal INT' INT
    trap 'on_signal TERM' TERM
    trap 'on_signal HUP' HUP
    if [[ " ${packages[*]} " == *' postgresql '* ]]; then
        STARTED_POSTGRES=1
        in_background start_postgres "$(postgres_bin)"
    fi
    if [[ " ${packages[*]} " == *' rabbitmq-server '* ]]; then
        STARTED_RABBITMQ=1
        in_background start_rabbitmq "$(rabbitmq_bin)"
    fi
    for child in "${BACKGROUND[@]}"; do
        wait_for "$child" || failed=1
    done
    BACKGROUND=()
    if [[ -n $failed$INTERRUPTED ]]; then
        [[ -z $INTERRUPTED ]] || say 'interrupted; stopping what was started'
        stop_started || true
        unlock_directory
        exit_if_interrupted
        exit 1
    fi
    write_env
    unlock_directory
}

# stop_functions FUNCTION...: runs them at the same time.
stop_functions() {
    local function children=() child failed=0
    for function in "$@"; do
        "$function" &
        children+=("$!")
    done
    for child in "${children[@]}"; do
        wait_for "$child" || failed=1
    done
    return "$failed"
}

# Stops what start_services started in this call.
stop_started() {
    local functions=()
    [[ -z $STARTED_POSTGRES ]] || functions+=(stop_postgres)
    [[ -z $STARTED_RABBITMQ ]] || functions+=(stop_rabbitmq)
    STARTED_POSTGRES='' STARTED_RABBITMQ=''
    stop_functions "${functions[@]}" || return 1
    forget_stopped
}

stop_services() {
    stop_functions stop_postgres stop_rabbitmq || return 1
    forget_stopped
}

# Removes what is only good for running servers.
forget_stopped() {
    if postgres_runs || rabbitmq_runs; then
        return 0
    fi
    rm -f -- "$DIR/env"
    if [[ -L $DIR/postgres ]]; then
        remove_postgres_data "$DIR/postgres"
    fi
}

# Deletes DIR, but nothing in it that this script did not put there.
delete_directory() {
    remove_postgres_data "$DIR/postgres"
    remove_postgres_data "$DIR/postgres.new"
    rm -rf -- "$DIR/rabbitmq"
    rm -f -- "$DIR"/postgres.{port,pid,log} "$DIR"/rabbitmq.{ports,node,pid,log} \
        "$DIR"/{epmd.pid,env,env.new,lock} "$DIR/$DIRECTORY_MARK"
    rmdir -- "$DIR" 2>/dev/null || say "left $DIR: it holds other files"
}
