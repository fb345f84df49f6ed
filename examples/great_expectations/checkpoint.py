"""Two of our expectations in a checkpoint of Great Expectations, shown in its Data Docs.

    python examples/great_expectations/checkpoint.py DATA

Ends with 1 where the checkpoint fails. The context, and the Data Docs site in it, lie in the folder `gx` here.
"""

import sys

import great_expectations as gx
import pandas as pd

from audit.interop.great_expectations import ExpectAudit, expectation_of

context = gx.get_context(mode="file", project_root_dir=".")
asset = context.data_sources.add_or_update_pandas("files").add_dataframe_asset("customers")
batch = asset.add_batch_definition_whole_dataframe("all")

suite = gx.ExpectationSuite(
    name="customers",
    expectations=[
        ExpectAudit(select=["KEY002", "REP006"], roles={"key": "customer_id"}, fail_on="warn"),
        expectation_of("COM001")(options={"fail": 0.1}),
    ],
)
validation = gx.ValidationDefinition(name="customers", data=batch, suite=context.suites.add_or_update(suite))
checkpoint = gx.Checkpoint(
    name="customers", validation_definitions=[context.validation_definitions.add_or_update(validation)]
)

done = context.checkpoints.add_or_update(checkpoint).run(batch_parameters={"dataframe": pd.read_parquet(sys.argv[1])})
context.build_data_docs()
for run in done.run_results.values():
    for one in run.results:
        print("passed" if one.success else "FAILED", one.expectation_config.type, one.result["observed_value"])
sys.exit(not done.success)
