"""Reads lineage events with OpenLineage's own client, and validates them against its JSON Schemas.

    pip install openlineage-python jsonschema referencing rfc3339-validator rfc3986-validator
    python tests/clients/openlineage_events.py FOLDER_OF_EVENTS FOLDER_OF_SCHEMAS

Exits 0 if every event is valid. Without the folder of schemas, it prints that it did not check them.
"""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator
from openlineage.client.event_v2 import Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    JobFacet,
    RunFacet,
    error_message_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
)
from openlineage.client.serde import Serde
from referencing import Registry, Resource

# The client's classes of the standard facets, by the facets' names.
FACETS = {
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "nominalTime": nominal_time_run.NominalTimeRunFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "parent": parent_run.ParentRunFacet,
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
}
# The classes of the project's own facets.
OWN_FACETS = {"hightouch_syncRun": RunFacet, "hightouch_sequenceRun": RunFacet}
# The schema of each standard facet, by the facet's name.
SCHEMAS = {name: f"{facet.__name__}.json" for name, facet in FACETS.items()}


def facet(name, fields):
    """Creates the client's object of a facet. Fails if a field is missing or unknown."""
    fields = dict(fields)
    producer = fields.pop("_producer")
    schema = fields.pop("_schemaURL")
    if name in OWN_FACETS:
        created = OWN_FACETS[name](producer=producer)
        created = created.with_additional_properties(**fields)
        created._schemaURL = schema
        return created
    if name == "parent":
        fields["run"] = parent_run.Run(**fields["run"])
        fields["job"] = parent_run.Job(**fields["job"])
    created = FACETS[name](**fields, producer=producer)
    # The client knows which version of the facet it implements.
    if created._schemaURL != schema:
        print(f"{name}: the event has {schema}, and the client has {created._schemaURL}")
        created._schemaURL = schema
    return created


def facets(of):
    return {name: facet(name, fields) for name, fields in of.items()}


def parsed(event):
    """Creates the client's object of an event."""
    return RunEvent(
        eventType=RunState(event["eventType"]),
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=Run(runId=event["run"]["runId"], facets=facets(event["run"].get("facets", {}))),
        job=Job(
            namespace=event["job"]["namespace"],
            name=event["job"]["name"],
            facets=facets(event["job"].get("facets", {})),
        ),
        inputs=[],
        outputs=[
            OutputDataset(
                namespace=output["namespace"],
                name=output["name"],
                outputFacets=facets(output.get("outputFacets", {})),
            )
            for output in event.get("outputs", [])
        ],
    )


def without_empty(value):
    """Leaves out empty lists and objects. The client adds them."""
    if isinstance(value, dict):
        items = {name: without_empty(field) for name, field in value.items()}
        return {name: field for name, field in items.items() if field not in ({}, [])}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    return value


def validators(folder):
    """Returns the validators of events and of each standard facet."""
    files = {file.name: json.loads(file.read_text()) for file in folder.glob("*.json")}
    registry = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in files.values()
    )
    checker = Draft202012Validator.FORMAT_CHECKER

    def validator(schema):
        return Draft202012Validator(schema, registry=registry, format_checker=checker)

    event = files["OpenLineage.json"]["$id"]
    event = validator({"$ref": f"{event}#/$defs/RunEvent"})
    return event, {name: validator(files[file]) for name, file in SCHEMAS.items()}


def validate(event, event_validator, facet_validators):
    event_validator.validate(event)
    holders = [event["run"].get("facets", {}), event["job"].get("facets", {})]
    holders += [output.get("outputFacets", {}) for output in event.get("outputs", [])]
    for holder in holders:
        for name, fields in holder.items():
            if name in facet_validators:
                facet_validators[name].validate({name: fields})


def main() -> int:
    folder, schemas = Path(sys.argv[1]), Path(sys.argv[2])
    files = sorted(folder.glob("*.json"))
    if not files:
        print(f"{folder} has no events")
        return 1
    checks = validators(schemas) if schemas.is_dir() else None
    for file in files:
        event = json.loads(file.read_text())
        try:
            read = json.loads(Serde.to_json(parsed(event)))
            assert without_empty(read) == without_empty(event), f"the client reads {read}"
            if checks:
                validate(event, *checks)
        except Exception as error:
            print(f"{file}: {error}\n{json.dumps(event, indent=1)}")
            return 1
    print(f"{len(files)} events are read by openlineage-python")
    if checks:
        print(f"{len(files)} events validate against the schemas in {schemas}")
    else:
        print(f"NOT CHECKED against the schemas: {schemas} does not exist")
    return 0


if __name__ == "__main__":
    sys.exit(main())
