import pytest

from insarflow.errors import InsarError
from insarflow.learn.training import Training
from insarflow.workflows.begin import begin
from insarflow.workflows.run_train import TrainRun
from insarflow.workflows.train_data import Simulated


@pytest.mark.parametrize(("name", "instead"), [("nava-cnn", "fit_clips"), ("utae", "SeriesDataset")])
def test_networks_of_clips_and_series_are_pointed_elsewhere(name, instead):
    with pytest.raises(InsarError, match=f"must map single interferograms, instead got {name}.*{instead}"):
        begin(TrainRun(Simulated("bank", 2, 1), Training(1), name))
