# shellcheck shell=bash
# Part of the scripts of deploy/dev, which source it and set the variables in capitals.
#
# What the shell lacks: messages, processes that are surely ours, free ports, logs.
#
# Functions that are called by a composed name look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2153

# --- Messages ----------------------------------------------------------------

# Messages go to stderr: stdout belongs to what a script is for. NAME is the script's.
say() {
    printf '%s: %s\n' "$NAME" "$*" >&2
}

die() {
    local status=$1
    shift
    say "$@"
    exit "$status"
}

die_usage() {
    die "$EX_USAGE" "$* (${PROGRAM#"$CHECKOUT"/} --help explains)"
}

# Quotes for any POSIX shell; bash's %q may answer with $'...', which is not.
shell_quote() {
    printf "'%s'" "${1//\'/\'\\\'\'}"
}

# --- Processes ---------------------------------------------------------------

# Prints when the process started, in clock ticks since boot. Together with the
# pid this identifies a process although pids are reused. Fails when there is no
# such process, or only a zombie that its parent has not collected.
process_start() {
    local stat fields
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The second field is the command in parentheses and may contain anything.
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != [ZX] ]] || return 1
    printf '%s\n' "${fields[19]}"
}

# record_process FILE PID
record_process() {
    local start
    # A process that is gone already leaves a record that matches nothing.
    start=$(process_start "$2") || start=gone
    printf '%s %s\n' "$2" "$start" >"$1"
}

# Prints the pid recorded in a file, if that very process still runs.
recorded_pid() {
    local pid start
    { read -r pid start <"$1"; } 2>/dev/null || return 1
    [[ $(process_start "$pid") == "$start" ]] || return 1
    printf '%s\n' "$pid"
}

# wait_gone FILE SECONDS: waits until the recorded process has ended.
wait_gone() {
    local deadline=$((SECONDS + $2))
    while recorded_pid "$1" >/dev/null; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# stop_process NAME FILE SIGNAL...: sends one signal after the other until the
# recorded process has ended.
stop_process() {
    local name=$1 file=$2 signal pid
    shift 2
    for signal in "$@"; do
        pid=$(recorded_pid "$file") || break
        kill -s "$signal" "$pid" 2>/dev/null || true
        wait_gone "$file" "$STOP_TIMEOUT" && break
        say "$name (pid $pid) still runs $STOP_TIMEOUT s after SIG$signal"
    done
    if pid=$(recorded_pid "$file"); then
        say "cannot stop $name (pid $pid); stop it as the user that started it"
        return 1
    fi
    rm -f -- "$file"
}

# end_leftovers NAME LISTER: waits until LISTER prints no pid any more; kills
# what does not go by itself. Server processes outlive a killed parent a little.
end_leftovers() {
    local name=$1 lister=$2 deadline=$((SECONDS + 10)) pids
    while pids=$("$lister") && [[ -n $pids ]]; do
        if ((SECONDS >= deadline)); then
            say "killing what is left of $name: ${pids//$'\n'/ }"
            # shellcheck disable=SC2086 # one pid per word
            kill -KILL $pids 2>/dev/null || true
            deadline=$((SECONDS + 10))
        fi
        sleep 0.1
    done
}

# Prints the pids of the /proc files that grep -l lists.
pids_of_files() {
    local file
    while IFS= read -r file; do
        file=${file#/proc/}
        printf '%s\n' "${file%%/*}"
    done
}

# Waits for a child like `wait`, but whatever signals are trapped meanwhile.
# (`wait` then returns early, and may have lost the child's status: a second one
# gives 255.) The naps get longer, so as not to disturb long measurements.
wait_for() {
    local began=$SECONDS
    while process_start "$1" >/dev/null; do
        sleep "$((SECONDS - began < 20 ? 0 : 1)).1" || true # Ctrl-C ends it
    done
    wait "$1"
}

# --- Ports -------------------------------------------------------------------

# Whether nothing listens on the port, on whatever address.
port_is_free() {
    local hex
    printf -v hex '%04X' "$1"
    ! grep -qsE "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:[0-9A-F]+ 0A " \
        /proc/net/tcp /proc/net/tcp6
}

ports_are_free() {
    local port
    for port in "$@"; do
        port_is_free "$port" || return 1
    done
}

# Prints so many different free ports. They lie below the range from which the
# kernel takes the ports of outgoing connections: a server that is restarted
# finds its port again. Two scripts may still pick the same port at the same
# time; the one that comes second fails to bind it and picks anew.
pick_ports() {
    local count=$1 port
    local -A picked=()
    while ((${#picked[@]} < count)); do
        port=$((10000 + RANDOM % 20000))
        if port_is_free "$port"; then
            picked[$port]=1
        fi
    done
    printf '%s\n' "${!picked[*]}"
}

# Whether this process, and not a stranger who was faster, has the port.
process_listens_on() {
    local pid=$1 hex inode
    printf -v hex '%04X' "$2"
    inode=$(awk -v address="0100007F:$hex" \
        '$2 == address && $4 == "0A" { print $10 }' /proc/net/tcp)
    [[ -n $inode && -n $(find "/proc/$pid/fd" -lname "socket:\[$inode\]" 2>/dev/null) ]]
}

# --- Logs --------------------------------------------------------------------

log_size() {
    stat -c %s -- "$1" 2>/dev/null || printf '0\n'
}

# log_since FILE SIZE: what was written since the log had that size.
log_since() {
    tail -c "+$(($2 + 1))" -- "$1" 2>/dev/null || true
}

# Whether a server ended because somebody else had its port.
port_was_taken() {
    log_since "$1" "$2" |
        grep -qiE 'eaddrinuse|address already in use|already_used|in use by'
}

# launch_failed NAME LOG SIZE REASON
launch_failed() {
    say "$1 $4. The end of $2:"
    log_since "$2" "$3" | tail -n 25 | sed 's/^/    /' >&2
}
