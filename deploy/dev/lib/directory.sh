# shellcheck shell=bash
# Part of deploy/dev/services, which sources it and sets the variables in capitals.
#
# The directory that the servers live in.
#
# Functions that are called by a composed name look unreachable to shellcheck.
# shellcheck disable=SC2317

# use_directory DIRECTORY: the servers live there. Creates nothing.
use_directory() {
    local content
    DIR=$(realpath -m -- "$1")
    # RabbitMQ hands the path to a shell and then waits for ever.
    if [[ $DIR == *[\'\"\`\$\\]* ]]; then
        die "$EX_USAGE" "RabbitMQ cannot work in a directory with quotes, \\ or \$ in its name: $DIR"
    fi
    if [[ -e $DIR && ! -d $DIR ]]; then
        die "$EX_USAGE" "$DIR is not a directory"
    fi
    content=$(ls -A -- "$DIR" 2>/dev/null) || true
    if [[ -n $content ]] && ! grep -qxF -- "$DIRECTORY_MARK" <<<"$content"; then
        die "$EX_USAGE" "$DIR holds something else; give an empty or a new directory"
    fi
}

create_directory() {
    # The user postgres has to get through.
    (umask 022 && mkdir -p -- "$DIR" && : >>"$DIR/$DIRECTORY_MARK") ||
        die 1 "cannot write to $DIR; give another directory, or remove this one"
}

# Commands that change something in DIR take turns.
lock_directory() {
    [[ -z $LOCK ]] || return 0
    while :; do
        exec {LOCK}>"$DIR/lock" || die 1 "cannot write to $DIR"
        if ! flock --nonblock "$LOCK"; then
            say "waiting for another command that works on $DIR"
            flock "$LOCK"
        fi
        # `reset` may have removed the directory in the meantime.
        [[ $DIR/lock -ef /proc/self/fd/$LOCK ]] && break
        exec {LOCK}>&-
        create_directory
    done
    if [[ ! -s $DIR/$DIRECTORY_MARK ]]; then
        od -A n -N 6 -t x1 /dev/urandom | tr -d ' ' >"$DIR/$DIRECTORY_MARK"
    fi
}

# Not the path of DIR: a container may have the same, and root sees its processes.
servers_name() {
    cat -- "$DIR/$DIRECTORY_MARK"
}

unlock_directory() {
    exec {LOCK}>&-
    LOCK=''
}
