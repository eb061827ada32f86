from tako import Step, workflow


def greet(name: str) -> str:
    return f"hello {name}"


@workflow("greet")
async def greet_after_a_nod(payload: dict[str, str], step: Step) -> str:
    greeting = await step.run("greet", greet, payload["name"])
    nod = await step.wait_for(f"nod:{payload['name']}", bool)
    return f"{greeting}: {'yes' if nod else 'no'}"
