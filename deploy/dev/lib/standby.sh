# shellcheck shell=bash
# Part of deploy/dev/services, which sources it and sets the variables in capitals.
#
# A PostgreSQL server that follows another one, as its synchronous standby.
#
# Functions that are called by a composed name look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2153

# copy_postgres_data BIN PORT: a copy of the server at that port that follows it. Made under another name, see
# create_postgres_data.
copy_postgres_data() {
    local bin=$1 port=$2 new=$DIR/postgres.new log=$DIR/postgres.log data
    remove_postgres_data "$new"
    make_postgres_directory "$new" || return 1
    data=$(readlink -f -- "$new")
    chmod 700 -- "$data"
    if ! (exec_postgres_program setsid "$bin/pg_basebackup" --host=127.0.0.1 --port="$port" \
        --username=jobalerts --pgdata="$data" --checkpoint=fast --wal-method=stream --write-recovery-conf \
        --no-sync) </dev/null >>"$log" 2>&1; then
        say "cannot copy the PostgreSQL server at 127.0.0.1:$port. The end of $log:"
        tail -n 25 -- "$log" | sed 's/^/    /' >&2
        remove_postgres_data "$new"
        return 1
    fi
    mv -T -- "$new" "$DIR/postgres"
}

# on_postgres BIN PORT STATEMENT
on_postgres() {
    (exec_postgres_program "$1/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
        --host=127.0.0.1 --port="$2" --username=jobalerts --dbname=jobalerts --command="$3")
}

# follow_postgres BIN PORT: starts a standby of the server at that port. From then on that server confirms a commit
# only when the standby has it, too.
follow_postgres() {
    local bin=$1 port=$2 deadline=$((SECONDS + START_TIMEOUT))
    local streaming="select count(*) from pg_stat_replication where state = 'streaming'"
    copy_postgres_data "$bin" "$port" || return 1
    start_postgres "$bin" || return 1
    until [[ $(on_postgres "$bin" "$port" "$streaming") == 1 ]]; do
        if ((SECONDS >= deadline)); then
            say "the standby does not follow 127.0.0.1:$port after $START_TIMEOUT s; see $DIR/postgres.log"
            return 1
        fi
        sleep 0.1
    done
    on_postgres "$bin" "$port" "alter system set synchronous_standby_names = '*'" &&
        on_postgres "$bin" "$port" 'select pg_reload_conf()' >/dev/null
}
