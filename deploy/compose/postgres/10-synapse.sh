#!/bin/sh
# Runs once, when postgres_data is empty: the database for Synapse, which insists on the C locale.
set -eu

psql --no-psqlrc --set=ON_ERROR_STOP=1 --set=password="$SYNAPSE_POSTGRES_PASSWORD" \
    --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
CREATE ROLE synapse LOGIN PASSWORD :'password';
CREATE DATABASE synapse OWNER synapse TEMPLATE template0
    ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
SQL
