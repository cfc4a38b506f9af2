"""The statements of the store as PostgreSQL functions: one verb, one call, one commit. The files are applied in name
order."""

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def source() -> str:
    """The text of all files, in the order in which they are applied."""
    return "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.sql")))


def remove_statement() -> str:
    """Drops every function and type that `source` creates, whatever its signature was in an earlier version."""
    names = ", ".join(f"'{name}'" for name in function_names())
    return f"""
        DO $$
        DECLARE f regprocedure;
        BEGIN
            FOR f IN SELECT p.oid::regprocedure FROM pg_proc p
                      WHERE p.proname = ANY (ARRAY[{names}]) AND p.pronamespace = current_schema()::regnamespace LOOP
                EXECUTE 'DROP FUNCTION ' || f || ' CASCADE';
            END LOOP;
        END $$;
        DROP TYPE IF EXISTS promises_answer CASCADE;
    """


def function_names() -> list[str]:
    return re.findall(r"^CREATE FUNCTION (\w+)", source(), re.MULTILINE)


def install(apps: Any, schema_editor: Any) -> None:
    """For `migrations.RunPython`: (re)create all functions. Only the newest migration that changes a file calls this:
    move the call there, since the functions are written for the tables as they are then."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(remove_statement())
        cursor.execute(source())


def remove(apps: Any, schema_editor: Any) -> None:
    """The reverse of `install`."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(remove_statement())
