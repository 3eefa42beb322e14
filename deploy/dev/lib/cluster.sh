# shellcheck shell=bash
# Part of deploy/dev/services, which sources it and sets the variables in capitals.
#
# A RabbitMQ node that joins the cluster of another one. It takes the other's cookie and port mapper, so that the two
# find each other, and has a name of its own.
#
# Functions that are called by a composed name look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2153

#
# DIR/rabbitmq.node   the node's name, if it is not $NODE

# node_name: the name of the node in DIR.
node_name() {
    cat -- "$DIR/rabbitmq.node" 2>/dev/null || printf '%s\n' "$NODE"
}

# run_rabbitmqctl BIN ARGUMENT...
run_rabbitmqctl() {
    local bin=$1
    shift
    (exec_erlang_program "$(<"$DIR/rabbitmq.ports")" rabbitmqctl "$bin/rabbitmqctl" "$@") >>"$DIR/rabbitmq.log" 2>&1
}

# join_rabbitmq BIN OTHER-DIRECTORY
join_rabbitmq() {
    local bin=$1 other=$2 epmd node
    read -r _ _ _ epmd <"$other/rabbitmq.ports"
    node=$(DIR=$other node_name)
    printf 'jobalerts-%s@localhost\n' "$(servers_name)" >"$DIR/rabbitmq.node"
    mkdir -p -- "$DIR/rabbitmq"
    cp -- "$other/rabbitmq/.erlang.cookie" "$DIR/rabbitmq/.erlang.cookie"
    start_rabbitmq "$bin" "$epmd" || return 1
    if ! run_rabbitmqctl "$bin" stop_app || ! run_rabbitmqctl "$bin" join_cluster "$node" ||
        ! run_rabbitmqctl "$bin" start_app; then
        launch_failed RabbitMQ "$DIR/rabbitmq.log" 0 "does not join the cluster of $node"
        return 1
    fi
}
