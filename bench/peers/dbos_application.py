"""The application that DBOS runs in: its workflows, started as lines of JSON on the standard input say.

`[workflow, steps, ids]`, answered by an empty line when they have been started durably. A web application would get
this as a request. Async workflows, as a thread for each of 2,000 suspended ones would measure threads; for few at a
time the sync ones were not faster.
"""

import asyncio
import json
import os
import sys

from dbos import DBOS, SetWorkflowID

LONGEST_WAIT_SECONDS = 600


@DBOS.step()
async def noop(number: int) -> int:
    return number


@DBOS.workflow()
async def sequential(steps: int) -> int:
    for number in range(steps):
        await noop(number)
    return steps


@DBOS.workflow()
async def parallel(steps: int) -> int:
    return len(await asyncio.gather(*[noop(number) for number in range(steps)]))


@DBOS.workflow()
async def waiting(steps: int) -> str:
    for number in range(steps):
        await noop(number)
    return str(await DBOS.recv_async("answer", LONGEST_WAIT_SECONDS))


WORKFLOWS = {"sequential": sequential, "parallel": parallel, "waiting": waiting}


async def main() -> None:
    DBOS(config={"name": "bench", "system_database_url": os.environ["DATABASE_URL"], "log_level": "WARNING"})
    DBOS.launch()
    print(flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        workflow, steps, ids = json.loads(line)
        for id in ids:
            with SetWorkflowID(id):
                await DBOS.start_workflow_async(WORKFLOWS[workflow], steps)
        print(flush=True)


if __name__ == "__main__":
    asyncio.run(main())
