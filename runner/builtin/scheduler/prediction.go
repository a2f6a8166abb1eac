package scheduler

// prediction is what the model's output stands for: "epsilon" is the noise, "sample" the picture, and
// "v_prediction" the velocity of Salimans and Ho 2022, arXiv:2202.00512, appendix D.
type prediction string

// split returns the picture and the noise that make up x = a*picture + b*noise, given the model's output. At
// a = 0 the picture cannot be computed from the noise; the floor's a then stands for it.
func (p prediction) split(x, output, a, b float32) (picture, noise float32) {
	switch p {
	case "sample":
		if b == 0 {
			return output, 0
		}
		return output, (x - a*output) / b
	case "v_prediction":
		return a*x - b*output, a*output + b*x
	default:
		if a == 0 {
			a = 1.0 / floor
		}
		return (x - b*output) / a, output
	}
}

// denoise returns the picture in x = picture + sigma*noise, given the model's output for x/sqrt(sigma^2+1)
// (Karras et al. 2022, arXiv:2206.00364, formula 7, with c_skip and c_out of table 1 for epsilon).
func (p prediction) denoise(x, output, sigma float32) float32 {
	switch p {
	case "sample":
		return output
	case "v_prediction":
		square := sigma*sigma + 1
		return output*(-sigma/sqrt32(square)) + x/square
	default:
		return x - sigma*output
	}
}
